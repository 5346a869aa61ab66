# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look-and-change at a time in a network namespace: the agent, podnetctl and Ansible would disturb each other.

The namespace itself is what is locked: no file is left behind, and a process that dies holds nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from typing import BinaryIO

#: Seconds to wait for others. Nobody needs them all; but whoever can open this namespace (any process in it) can lock
#: it, and hold on to it.
PATIENCE = 10.0


@contextlib.contextmanager
def locked(patience: float = PATIENCE) -> Iterator[bool]:
    """Waits until nobody else changes this network namespace's overlay, ``patience`` seconds at most, and keeps others
    from it. Tells whether it did: what is done without is right in the end, too."""
    with open("/proc/thread-self/ns/net", "rb") as namespace:
        until = time.monotonic() + patience
        while not (alone := _lock(namespace)) and time.monotonic() < until:
            time.sleep(0.01)
        yield alone


def _lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
