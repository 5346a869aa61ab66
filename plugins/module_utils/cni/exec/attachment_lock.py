# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lock for each attachment: its ADD and DEL never overlap.

A runtime that gives up kills its plugin and calls DEL. What it killed may be the launcher, whose worker dies with it,
but only after the system call that it is in; so DEL waits for that worker's end. The kernel
drops a dead process's lock. All attachments share one file: each has a byte of it, whose position is a checksum.

The file is root's. Whoever can read a namespace's file could hold a lock on that one, and stall every call.
"""

from __future__ import annotations

import fcntl
import posix

from ..spec.names import digest

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..spec.environment import Environment

DIRECTORY = "/run/podnet"
LOCK = "/run/podnet/cni.lock"
#: For calls that choose what is free in a pod: a byte for each namespace, at its inode number.
NAMESPACES = "/run/podnet/pods.lock"
#: In the environment of a plugin that we execute: its caller holds the lock.
HELD = "PODNET_TURN"


class Turn:
    """In the ``with`` no other call works for this attachment. Without a place for the lock file it does not wait."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.file = -1

    def __enter__(self) -> None:
        if posix.environ.get(HELD.encode()):
            return
        host = posix.stat("/proc/self/ns/net").st_ino  # another host, where hosts are namespaces
        place = int.from_bytes(digest(str(host), self.env.container_id, self.env.ifname)[:7], "big")
        self.file = hold(LOCK, place)

    def __exit__(self, *_failure: object) -> None:
        release(self.file)


def hold(path: str, place: int) -> int:
    """An open file whose byte ``place`` is this process's alone, after waiting for others; -1 where there cannot be
    one. A process has a file once at a time: to close it anywhere releases all of its bytes (fcntl(2))."""
    try:
        file = _open(path)
        fcntl.lockf(file, fcntl.LOCK_EX, 1, place)
    except OSError:
        return -1
    return file


def release(file: int) -> None:
    """The opposite of ``hold``."""
    if file >= 0:
        posix.close(file)


def _open(path: str) -> int:
    flags = posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC | posix.O_NOFOLLOW
    try:
        return posix.open(path, flags, 0o600)
    except FileNotFoundError:
        posix.mkdir(DIRECTORY, 0o755)
        return posix.open(path, flags, 0o600)
