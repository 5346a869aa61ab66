# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counts a tunnel's packets on the underlay: UDP to the VXLAN port, by source and destination (RFC 7348)."""

from __future__ import annotations

import socket
import struct
from collections import Counter

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
    """A classic BPF program: UDP to ``port``, over IPv4 the first fragment, over IPv6 without extension headers
    (linux/filter.h; offsets from the IP header).
    """
    ipv6, take, drop = 9, 14, 15
    program = [
        (0x28, 0, 0, SKF_AD_PROTOCOL),  # A = the ethertype
        (0x15, 0, ipv6 - 2, ETH_P_IP),
        (0x30, 0, 0, 9),  # A = the protocol
        (0x15, 0, drop - 4, socket.IPPROTO_UDP),
        (0x28, 0, 0, 6),  # A = flags and fragment offset
        (0x45, drop - 6, 0, 0x1FFF),
        (0xB1, 0, 0, 0),  # X = the IP header's length
        (0x48, 0, 0, 2),  # A = the destination port
        (0x15, take - 9, drop - 9, port),
        (0x15, 0, drop - 10, ETH_P_IPV6),
        (0x30, 0, 0, 6),  # A = the next header
        (0x15, 0, drop - 12, socket.IPPROTO_UDP),
        (0x28, 0, 0, 42),  # A = the destination port
        (0x15, take - 14, drop - 14, port),
        (0x06, 0, 0, SNAP),  # take it
        (0x06, 0, 0, 0),  # drop it
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)
