# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look-and-change at a time in a network namespace: the agent, podnetctl and Ansible would disturb each other.

The namespace itself is what is locked: no file is left behind, and a process that dies holds nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Waits until nobody else changes this network namespace's overlay, and keeps others from it."""
    with open("/proc/thread-self/ns/net", "rb") as namespace:
        fcntl.flock(namespace, fcntl.LOCK_EX)
        yield
