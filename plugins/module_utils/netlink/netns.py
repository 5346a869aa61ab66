# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network namespaces: open one, work inside it, compare two."""

from __future__ import annotations

import posix
from errno import EINVAL
from fcntl import ioctl
from posix import O_CLOEXEC, O_RDONLY

CLONE_NEWNET = 0x40000000  # linux/sched.h
NS_GET_NSTYPE = 0xB703  # linux/nsfs.h
OWN = "/proc/thread-self/ns/net"


class Netns:
    """An open network namespace. A context manager: inside the ``with`` this thread is in it, afterwards where it was.

    Raises OSError (ENOENT: no such path; EINVAL: not a network namespace) when it is opened.
    """

    def __init__(self, path: str = OWN):
        self.path = path
        self.fd = self._outside = -1
        self.fd = posix.open(path, O_RDONLY | O_CLOEXEC)
        try:
            kind = ioctl(self.fd, NS_GET_NSTYPE)
        except OSError:
            kind = 0  # it is a file of another kind
        if kind != CLONE_NEWNET:
            raise OSError(EINVAL, "not a network namespace", path)

    def identity(self) -> tuple[int, int]:
        """Device and inode: equal for two paths to one namespace (namespaces(7))."""
        found = posix.fstat(self.fd)
        return found.st_dev, found.st_ino

    def __enter__(self) -> Netns:
        self._outside = posix.open(OWN, O_RDONLY | O_CLOEXEC)
        try:
            setns(self.fd, CLONE_NEWNET)
        except OSError:
            posix.close(self._outside)
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        setns(self._outside, CLONE_NEWNET)
        posix.close(self._outside)

    def close(self) -> None:
        if self.fd >= 0:
            posix.close(self.fd)
            self.fd = -1

    def __del__(self) -> None:
        self.close()


def is_netns(path: str) -> bool:
    """Whether ``path`` leads to a namespace file (nsfs) that can be opened."""
    try:
        found = posix.stat(path)
    except OSError:
        return False
    return found.st_dev == posix.stat(OWN).st_dev


def _libc_setns(fd: int, kind: int) -> None:
    """setns(2) through libc, for Python below 3.12, whose os has none."""
    import _ctypes  # imports in a quarter of ctypes' time

    function = _ctypes.dlsym(_ctypes.dlopen("", 2), "setns")
    if _ctypes.call_function(function, (fd, kind)) == 0:
        return
    import ctypes  # again, in the way that keeps errno

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, kind):
        code = ctypes.get_errno()
        raise OSError(code, posix.strerror(code))


setns = getattr(posix, "setns", _libc_setns)
