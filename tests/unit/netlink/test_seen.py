# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dumps say again is recalled; whether all of it is the same is told only where that means something."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.netlink.seen import Seen


def look(former: Seen | None, *messages: bytes) -> tuple[Seen, list[str], list[bytes]]:
    """A look at MESSAGES: what was seen, the objects, and what had to be decoded."""
    decoded: list[bytes] = []

    def decode(message: bytes) -> str:
        decoded.append(message)
        return message.decode()

    seen = Seen(former)
    return seen, seen.recall(list(messages), lambda message: message[:2], decode), decoded


def test_only_what_is_new_is_decoded():
    first, objects, decoded = look(None, b"a1", b"b1")
    assert objects == ["a1", "b1"] == [each.decode() for each in decoded] and not first.unchanged
    second, objects, decoded = look(first.close(), b"b1 counter", b"a1", b"c1")
    assert objects == ["b1", "a1", "c1"] and decoded == [b"c1"] and not second.unchanged
    third, _objects, decoded = look(second.close(), b"a1", b"b1", b"c1")
    assert decoded == [] and third.unchanged
    fourth, _objects, _decoded = look(third.close(), b"a1", b"b1")
    assert not fourth.unchanged


def test_after_a_change_nothing_counts_as_unchanged_until_it_was_looked_at():
    first, _objects, _decoded = look(None, b"a1")
    first.outdate()
    second, _objects, decoded = look(first.close(), b"a1")
    assert decoded == [] and not second.unchanged
    third, _objects, _decoded = look(second.close(), b"a1")
    assert third.unchanged


def test_a_look_that_is_outdated_itself_is_not_unchanged():
    first, _objects, _decoded = look(None, b"a1")
    second, _objects, _decoded = look(first.close(), b"a1")
    second.outdate()
    assert not second.unchanged
