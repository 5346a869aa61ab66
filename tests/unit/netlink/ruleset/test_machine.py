# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single expressions: what can't be evaluated is named and guessed both ways, never taken for granted."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import nft_expr as nft
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset import xt
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.choices import MOST, Choices, runs
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.machine import Machine
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.packet import TCP, UDP, Packet
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.read import (
    ChainKey,
    Rule,
    elements_of,
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


def test_runs_try_every_answer_once_and_end():
    assert list(runs(lambda choices: (choices.take(2), choices.take(3)))) == [(a, b) for a in (0, 1) for b in (0, 1, 2)]
    assert list(runs(lambda choices: choices.take(2) and choices.take(2))) == [0, 0, 1]
    assert len(list(runs(lambda choices: [choices.take(2) for _number in range(20)]))) == MOST


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


def nf_range(address: bytes, port: int, flags: int) -> bytes:
    return struct.pack("=I16s16s2s2s", flags, address, address, port.to_bytes(2, "big"), port.to_bytes(2, "big"))


def test_targets_of_each_revision_say_where_to():
    packet = Packet("10.1.0.2", "10.2.0.2", TCP, 40000, 80)
    address = bytes([10, 2, 0, 9])
    old = struct.pack("=II4s4s2s2s", 1, 3, address, address, b"\x1f\x90", b"\x1f\x90")
    assert xt.nat("DNAT", 0, old, packet) == xt.Nat("dnat", address, address, 8080, 8080)
    assert xt.nat("DNAT", 2, nf_range(address, 8080, 3) + bytes(4), packet) == xt.Nat(
        "dnat", address, address, 8080, 8080
    )
    assert xt.nat("REDIRECT", 0, struct.pack("=II8x2s2s", 1, 2, b"\0\x50", b"\0\x50"), packet) == xt.Nat(
        "redirect", b"", b"", 80, 80
    )
    assert xt.nat("LOG", 0, b"", packet) is None


def test_a_match_that_is_not_known_gives_its_name():
    packet = Packet("10.1.0.2", "10.2.0.2", TCP, 40000, 80)
    for name in ("set", "geoip", "string", "owner"):
        assert xt.matches(name, 1, bytes(64), packet, FakeNode()) == f"match {name}"
    assert xt.matches("tcp", 0, b"\0", packet, FakeNode()) == "match tcp"  # another layout
    assert xt.matches("statistic", 0, bytes(24), packet, FakeNode()) is None
