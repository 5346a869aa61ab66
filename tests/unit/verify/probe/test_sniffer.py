# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What captures make of packets: which are those asked for, on which path, in which tunnel, and if they are whole."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.evidence import OuterHeader, Packet
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.path import Direction
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe.sniffer import Sniffer

from .conftest import MARK, NODE1, NODE2, A, B, echo, ipv4, ipv6, udp, vxlan


@pytest.fixture
def sniffer():
    """One that needs no sockets."""
    made = Sniffer.__new__(Sniffer)
    made.ends, made.mark, made.port = (A, B), MARK, 9
    return made


def test_echoes_are_known_by_their_mark(sniffer):
    assert sniffer.dissect(echo(A, B), False) == Packet(Direction.FORWARD, "icmp", False, A, B)
    assert sniffer.dissect(echo(B, A, 0), False) == Packet(Direction.RETURN, "icmp", False, B, A)
    assert sniffer.dissect(echo(A, B, data=b"others'"), False) is None
    assert sniffer.dissect(echo(A, B, 3), False) is None, "an error that cites the echo is not one"
    assert sniffer.dissect(echo(A, B, size=1400), False).large
    # translated on the way, and still ours
    assert sniffer.dissect(echo(NODE1, B), False).source == NODE1


def test_inside_a_tunnel_the_inner_packet_counts_whatever_the_port(sniffer):
    packet = sniffer.dissect(vxlan(echo(A, B), port=4789, vni=7), False)
    assert packet == Packet(Direction.FORWARD, "icmp", False, A, B, OuterHeader(NODE1, NODE2, 4789, 7))


def test_udp_between_the_ends_with_its_checksum(sniffer):
    assert sniffer.dissect(udp(A, B, 9, b"x"), True) == Packet(Direction.FORWARD, "udp", False, A, B)
    assert sniffer.dissect(udp(A, B, 9, b"x", spoil=1), True).bad_checksum
    assert not sniffer.dissect(udp(A, B, 9, b"x", spoil=1), False).bad_checksum, "nobody asked"
    assert sniffer.dissect(udp(B, A, 40000), True).path == Direction.RETURN


def test_what_has_one_end_and_the_port_is_a_partial_match(sniffer):
    masqueraded = sniffer.dissect(udp(NODE1, B, 9), False)
    assert (masqueraded.partial, masqueraded.path) == (True, Direction.FORWARD)
    diverted = sniffer.dissect(udp(A, "10.244.2.99", 9), False)
    assert (diverted.partial, diverted.path) == (True, Direction.FORWARD)
    assert sniffer.dissect(udp(A, "10.244.2.99", 53), False) is None
    assert sniffer.dissect(udp(NODE1, NODE2, 9), False) is None


def test_ipv6():
    made = Sniffer.__new__(Sniffer)
    made.ends, made.mark, made.port = ("fd00::1", "fd00::2"), MARK, 9
    body = struct.pack("!BBHHH", 128, 0, 0, 1, 1) + MARK
    assert made.dissect(ipv6("fd00::1", "fd00::2", 58, body), False).kind == "icmp"


@pytest.mark.parametrize(
    "data", [b"", b"\x45", b"\x60" + bytes(10), bytes(60), ipv4(A, B, 6, b"\0"), ipv4(A, B, 1, b"")]
)
def test_what_is_cut_short_is_no_fault(sniffer, data):
    sniffer.dissect(data, False)
