# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes in a directory, by inotify(7); Python has no call for it, so the C library's are used."""

from __future__ import annotations

import ctypes
import os
import select

# linux/inotify.h; a file is renamed into place or written, or goes
IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE = 0x8, 0x40, 0x80, 0x200
IN_DELETE_SELF, IN_MOVE_SELF = 0x400, 0x800
MASK = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF


class Watch:
    """Watches one directory, which may come and go; ``active`` while it is watched, else ``reason`` says why not.

    A node may have no inotify instance left (fs.inotify.max_user_instances); each ``clear`` retries, and until then the
    owner must read the directory by itself.
    """

    def __init__(self, directory: str) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = -1
        self._readable = select.epoll()  # what others wait for, whether there is a watch to wait for or not
        self.directory = directory
        self.active = False
        self.reason = ""
        self.clear()

    def able(self) -> bool:
        """Whether the node had an inotify instance left."""
        return self._descriptor >= 0

    def fileno(self) -> int:
        """Readable when something changed in the directory since ``clear``."""
        return self._readable.fileno()

    def clear(self) -> None:
        """Takes all news, and watches a directory that has come meanwhile. Call it before looking at the files."""
        if self._descriptor < 0:
            self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            if self._descriptor < 0:
                self.reason = f"inotify: {os.strerror(ctypes.get_errno())}"
                return
            self._readable.register(self._descriptor, select.EPOLLIN)
        try:
            while os.read(self._descriptor, 65536):
                pass
        except BlockingIOError:
            pass
        # the same directory once more is no second watch
        self.active = self._libc.inotify_add_watch(self._descriptor, os.fsencode(self.directory), MASK) >= 0
        error = ctypes.get_errno()
        self.reason = "" if self.active else f"inotify: {os.strerror(error)}"

    def close(self) -> None:
        self._readable.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
