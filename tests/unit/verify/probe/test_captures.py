# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What captures make of packets: which are those asked for, on which path, in which tunnel, and if they are whole."""

from __future__ import annotations

import socket
import struct

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.packets import icmp
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.evidence import OuterHeader, Packet
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.path import Direction
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe import vxlan_counter
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe.sniffer import Sniffer

A, B, NODE1, NODE2 = "10.244.1.2", "10.244.2.2", "10.77.0.11", "10.77.0.12"
MARK = b"podnet 0123"


def ipv4(source, target, protocol, body):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0)
    return head + socket.inet_aton(source) + socket.inet_aton(target) + body


def ipv6(source, target, protocol, body):
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + ends + body


def udp(source, target, port, body=b"", spoil=0):
    datagram = struct.pack("!HHHH", 40000, port, 8 + len(body), 0) + body
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    checksum = icmp.checksum(ends + struct.pack("!BBH", 0, socket.IPPROTO_UDP, len(datagram)) + datagram)
    return ipv4(source, target, 17, datagram[:6] + struct.pack("!H", checksum ^ spoil) + datagram[8:])


def echo(source, target, kind=8, data=MARK, size=0):
    body = struct.pack("!BBHHH", kind, 0, 0, 1, 1) + data
    return ipv4(source, target, 1, body.ljust(size, b"\0"))


def vxlan(inner, port=8472, vni=1, flags=0x08):
    outer = struct.pack("!HHHH", 33333, port, 8 + 8 + 14 + len(inner), 0)
    frame = struct.pack("!B3xI", flags, vni << 8) + bytes(12) + b"\x08\x00" + inner
    return ipv4(NODE1, NODE2, 17, outer + frame)


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


@pytest.mark.parametrize(
    ("packet", "flow"),
    [
        (vxlan(echo(A, B)), (NODE1, NODE2, 1)),
        (vxlan(echo(A, B), vni=0xABCDEF), (NODE1, NODE2, 0xABCDEF)),
        (vxlan(echo(A, B), port=4789), None),
        (vxlan(echo(A, B), flags=0), None),
        (udp(NODE1, NODE2, 8472), None),
        (ipv6("fd00::1", "fd00::2", 17, bytes(60)), None),
        (ipv6("fd00::1", "fd00::2", 17, vxlan(echo(A, B))[20:]), ("fd00::1", "fd00::2", 1)),
        (b"", None),
    ],
)
def test_a_tunnel_s_packets_are_counted_by_addresses_and_vni(packet, flow):
    assert vxlan_counter.dissect(packet, 8472) == flow
