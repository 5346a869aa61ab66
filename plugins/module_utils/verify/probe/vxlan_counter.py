# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counts a tunnel's packets on the underlay: UDP to the VXLAN port, by source and destination (RFC 7348)."""

from __future__ import annotations

import socket
import struct
from collections import Counter

from ...netlink import bpf
from ..model.evidence import VxlanFlow
from .packet_socket import ETH_P_IP, ETH_P_IPV6, PacketSocket

SKF_AD_PROTOCOL = 0xFFFFF000  # linux/filter.h: where a filter finds the packet's ethertype
VXLAN = struct.Struct("!B3xI")  # flags, VNI in the upper three bytes of a word
SNAP = 128  # bytes: IP, UDP, VXLAN, the inner Ethernet and IPv4 headers


class VxlanCounter:
    """Counts the VXLAN packets that pass this namespace's devices, from the moment it is made.

    ``read`` takes what the kernel has queued. A context manager; see PacketSocket for what it needs.
    """

    def __init__(self, port: int = 8472):
        self.port = port
        self.counted: Counter[tuple[str, str, str, str, int]] = Counter()
        self.socket = PacketSocket(SNAP, _filter(port))

    def __enter__(self) -> VxlanCounter:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.socket.close()

    def fileno(self) -> int:
        return self.socket.fileno()

    def read(self) -> None:
        """Count what has arrived, without waiting."""
        for seen in self.socket.packets():
            flow = dissect(seen.data, self.port)
            if flow:
                key = (seen.device, seen.direction, *flow)
                self.counted[key] += 1

    def flows(self) -> list[VxlanFlow]:
        """What was seen so far."""
        return [VxlanFlow(*flow, packets) for flow, packets in sorted(self.counted.items())]


def dissect(packet: bytes, port: int) -> tuple[str, str, int] | None:
    """Outer source, outer destination and VNI of an IP packet; None if it is no VXLAN packet to ``port``.

    The filter lets nothing else through, but what came before it was in place is queued as well.
    """
    version = packet[0] >> 4 if packet else 0
    start, protocol = ((packet[0] & 0x0F) * 4, 9) if version == 4 else (40, 6)
    if version not in (4, 6) or len(packet) < start + 8 + VXLAN.size or packet[protocol] != socket.IPPROTO_UDP:
        return None
    if int.from_bytes(packet[start + 2 : start + 4], "big") != port:
        return None
    flags, word = VXLAN.unpack_from(packet, start + 8)
    if not flags & 0x08:  # the I flag: the VNI is valid
        return None
    family, first, size = (socket.AF_INET, 12, 4) if version == 4 else (socket.AF_INET6, 8, 16)
    ends = [socket.inet_ntop(family, packet[at : at + size]) for at in (first, first + size)]
    return ends[0], ends[1], word >> 8


def _filter(port: int) -> bytes:
    """UDP to ``port``, over IPv4 the first fragment, over IPv6 only without extensions. Offsets from the IP header."""
    lines: list[bpf.Line] = [
        (bpf.HALF, SKF_AD_PROTOCOL),
        (bpf.EQUAL, ETH_P_IP, "", "ipv6"),
        (bpf.BYTE, 9),  # the protocol
        (bpf.EQUAL, socket.IPPROTO_UDP, "", bpf.DROP),
        (bpf.HALF, 6),  # flags and fragment offset
        (bpf.BITS, 0x1FFF, bpf.DROP, ""),
        (bpf.HEADER_TO_X, 0),
        (bpf.HALF_AT_X, 2),  # the destination port
        (bpf.EQUAL, port, bpf.TAKE, bpf.DROP),
        "ipv6",
        (bpf.EQUAL, ETH_P_IPV6, "", bpf.DROP),
        (bpf.BYTE, 6),  # the next header
        (bpf.EQUAL, socket.IPPROTO_UDP, "", bpf.DROP),
        (bpf.HALF, 42),  # the destination port
        (bpf.EQUAL, port, bpf.TAKE, bpf.DROP),
    ]
    return bpf.assemble(lines, SNAP)
