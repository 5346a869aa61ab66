# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Matches and targets of iptables, one at a time."""

from __future__ import annotations

import struct

from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset import xt
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.packet import TCP, Packet

from .conftest import FakeNode


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
