# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks of a network namespace: one reconciliation at a time, and one agent.

The namespace's own file in /proc can be opened, and so locked, by any process in it. So the locks are in files of
root's in /run/podnet, where a namespace has the byte that its inode number counts. They are open file description locks
(fcntl(2)): the kernel drops what a dead process held.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from collections.abc import Iterator

from ..ipam.files import make_directory

DIRECTORY = "/run/podnet"
#: Held while the overlay is compared and changed; by the agent for as long as it runs.
OVERLAY, AGENT = "overlay.lock", "podnetd.lock"
#: Seconds to wait for other processes; none needs as many.
PATIENCE = 10.0
#: struct flock of fcntl(2): type, whence, start, length, process.
_FLOCK = "hhqqi"


@contextlib.contextmanager
def locked(
    patience: float = PATIENCE, name: str = OVERLAY, directory: str = DIRECTORY, make: bool = True
) -> Iterator[bool]:
    """Keeps others from this network namespace's overlay, after waiting for them ``patience`` seconds at most. Yields
    whether it did: what is done without the lock is right in the end, too. ``make``: whether a missing directory is
    made; without one no process has a lock, and a process that only reads or removes leaves none behind."""
    try:
        if make:
            make_directory(directory)
        lock = _open(directory, name)
    except OSError:  # not root, no directory, or /run is full: netlink will report it
        yield False
        return
    try:
        until = time.monotonic() + patience
        while not (alone := _take(lock)) and time.monotonic() < until:
            time.sleep(0.01)
        yield alone
    finally:
        os.close(lock)


def _open(directory: str, name: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(os.path.join(directory, name), flags, 0o600)


def _take(lock: int) -> bool:
    start = os.stat("/proc/thread-self/ns/net").st_ino
    try:
        fcntl.fcntl(lock, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, 1, 0))
    except BlockingIOError:
        return False
    return True
