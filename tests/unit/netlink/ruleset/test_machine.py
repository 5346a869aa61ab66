# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single expressions: what can't be evaluated is named and guessed both ways, never taken for granted."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import nft_expr as nft
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.choices import Choices, runs
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.machine import Machine
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.packet import UDP, Packet
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.read import (
    ChainKey,
    Rule,
)
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import attr, attributes, nest, parse, text

from .conftest import FakeNode

KEY = ChainKey("inet", "t", "c")
DROP = nft.expression("immediate", nft.attr_u32be(1, 0), nest(2, nft.verdict_data("drop")))


class Rules:
    """A ruleset of one chain."""

    def __init__(self, *expressions: bytes) -> None:
        parsed = [parse(element) for one in expressions for _kind, element in attributes(one)]
        self._rule = Rule(KEY, 1, "", [(text(each[1]), parse(each.get(2, b""))) for each in parsed])

    def rules(self, key: ChainKey) -> list[Rule]:
        return [self._rule]


def ends(*expressions: bytes, packet: Packet | None = None) -> list[tuple[str, tuple[str, ...]]]:
    """How a packet may end in a chain whose one rule has these expressions, with what was guessed."""
    packet = packet or Packet("10.1.0.2", "10.2.0.2", UDP, 40000, 80, iif="in0")

    def run(choices: Choices):
        end = Machine(Rules(*expressions), FakeNode(), packet.copy(), choices, None, None).chain(KEY)
        return (end.verdict if end else "", tuple(choices.unknown))

    return list(runs(run))


def test_an_expression_that_is_not_known_is_guessed_by_its_name():
    assert ends(nft.expression("osf", nft.attr_u32be(1, 1)), DROP) == [("", ("osf",)), ("drop", ("osf",))]


@pytest.mark.parametrize(
    ("load", "name"),
    [
        (nft.expression("meta", nft.attr_u32be(2, 10), nft.attr_u32be(1, 1)), "meta skuid"),
        (nft.payload(0, 0, 6), "link-layer header"),
        (nft.payload(1, 8, 1), "header"),  # TTL
        (nft.payload(2, 100, 4), "header"),
    ],
)
def test_a_value_that_is_not_known_makes_its_comparison_a_guess(load, name):
    assert ends(load, nft.compare(b"\0\0\0\0"), DROP) == [("", (name,)), ("drop", (name,))]
    assert ends(load, nft.mask(4, b"\1\1\1\1"), nft.compare(b"\0\0\0\0"), DROP) == [("", (name,)), ("drop", (name,))]


def test_what_is_known_is_definite():
    assert ends(nft.destination_port(), nft.compare(b"\0\x50"), DROP) == [("drop", ())]
    assert ends(nft.destination_port(), nft.compare(b"\0\x51"), DROP) == [("", ())]
    assert ends(nft.destination_port(), nft.between(b"\0\x10", b"\0\x50"), DROP) == [("drop", ())]
    assert ends(nft.meta("iifname"), nft.compare(b"in0"), DROP) == [("drop", ())]


def test_a_limit_is_chance_and_not_unknown():
    assert ends(nft.expression("limit"), DROP) == [("", ()), ("drop", ())]


def element(key: bytes, flags: int = 0, last: bytes = b"") -> dict[int, bytes]:
    found = {1: attr(1, key), 3: flags.to_bytes(4, "big")}
    return {**found, 10: attr(1, last)} if last else found
