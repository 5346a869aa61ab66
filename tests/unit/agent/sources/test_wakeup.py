# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thread's flag that wakes the loop."""

from __future__ import annotations

import select

from ansible_collections.podnet.cluster.plugins.module_utils.agent.sources.wakeup import Wakeup


def readable(wakeup) -> bool:
    return bool(select.select([wakeup], [], [], 0)[0])


def test_it_is_readable_from_set_to_clear():
    wakeup = Wakeup()
    assert not readable(wakeup)
    for _many in range(1 << 17):  # more than a pipe holds
        wakeup.set()
    assert readable(wakeup)
    wakeup.clear()
    assert not readable(wakeup)
    wakeup.clear()
    wakeup.set()
    assert readable(wakeup)
