# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose evidence counts: that of nodes which looked while the packets were on their way."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace import verdict

SENDER = {"sent": True, "watched": [100.0, 101.1], "seen": ["a record"], "complete": False}
LOST, PASSED = [{"scope": "way", "ok": False}], [{"scope": "way", "ok": True}]


@pytest.mark.parametrize(
    ("watched", "seen", "complete", "probes", "missed"),
    [
        ([99.5, 102.0], [], False, LOST, False),
        ([99.5, 102.0], ["a record"], False, LOST, False),
        ([100.2, 102.0], ["a record"], False, LOST, True),  # it began too late
        ([99.5, 100.9], [], False, LOST, True),  # it left before the last packet, which it may have seen
        ([99.5, 100.9], ["a record"], False, LOST, True),
        ([99.5, 100.2], ["a record"], True, LOST, False),  # and did so since it had seen all
        ([99.5, 99.9], [], False, LOST, True),
        ([99.5, 102.0], [], False, PASSED, True),
        ([99.5, 102.0], ["a record"], False, PASSED, False),
    ],
)
def test_who_did_not_look_on_from_the_first_packet_to_the_last_missed_them(watched, seen, complete, probes, missed):
    watcher = {"sent": False, "watched": watched, "seen": seen, "complete": complete}
    assert verdict.missed(watcher, [SENDER, watcher], probes) is missed
    assert not verdict.missed(SENDER, [SENDER, watcher], probes)
