# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as data: elements of sets."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.read import (
    elements_of,
)
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import attr


def element(key: bytes, flags: int = 0, last: bytes = b"") -> dict[int, bytes]:
    found = {1: attr(1, key), 3: flags.to_bytes(4, "big")}
    return {**found, 10: attr(1, last)} if last else found


def test_intervals_ranges_and_the_catch_all():
    ends_of = elements_of(
        [element(b"\0\0", 1), element(b"\0\x10"), element(b"\0\x20", 1), element(b"\xff\0")], True, []
    )
    held = (b"\0\x0f", b"\0\x10", b"\0\x1f", b"\0\x20", b"\xfe\xff", b"\xff\0", b"\xff\xff")
    assert [ends_of.find(key) is not None for key in held] == [False, True, True, False, False, True, True]
    spans = elements_of([element(b"\1\0\0\0\0\x50\0\0", 0, b"\2\0\0\0\0\x60\0\0")], True, [4, 2])
    assert spans.find(b"\1\5\0\0\0\x55\0\0") and not spans.find(b"\1\5\0\0\0\x70\0\0")
    assert elements_of([element(b"", 2)], False, []).find(b"any")
