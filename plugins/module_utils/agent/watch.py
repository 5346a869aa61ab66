# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes in a directory, by inotify(7); Python has no call for it, so the C library's are used."""

from __future__ import annotations

import ctypes
import os

# linux/inotify.h; a file is renamed into place or written, or goes
IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE = 0x8, 0x40, 0x80, 0x200
IN_DELETE_SELF, IN_MOVE_SELF = 0x400, 0x800
MASK = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF


class Watch:
    """Watches one directory, which may come and go; ``active`` while it is there to be watched."""

    def __init__(self, directory: str) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), directory)
        self.directory = directory
        self.active = False
        self.clear()

    def fileno(self) -> int:
        """Readable when something changed in the directory since ``clear``."""
        return int(self._descriptor)

    def clear(self) -> None:
        """Takes all news, and watches a directory that has come meanwhile. Call it before looking at the files."""
        try:
            while os.read(self._descriptor, 65536):
                pass
        except BlockingIOError:
            pass
        # the same directory once more is no second watch
        self.active = self._libc.inotify_add_watch(self._descriptor, os.fsencode(self.directory), MASK) >= 0

    def close(self) -> None:
        """Ends the watch."""
        os.close(self._descriptor)
