# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ICMP and ICMPv6 echo messages (RFC 792, RFC 4443): made and recognised, nothing sent."""

from __future__ import annotations

import socket
import struct

ECHO = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence

REQUEST: dict[int, int] = {socket.AF_INET: 8, socket.AF_INET6: 128}
REPLY: dict[int, int] = {socket.AF_INET: 0, socket.AF_INET6: 129}
PROTOCOL: dict[int, int] = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
#: The payload after the mark, as ping fills it: each byte is its place.
PATTERN = bytes(range(256))

#: Bytes before the echo's payload: the IP header without options and the ICMP header.
OVERHEAD: dict[int, int] = {socket.AF_INET: 20 + ECHO.size, socket.AF_INET6: 40 + ECHO.size}


def request(family: int, identifier: int, sequence: int, size: int, mark: bytes = b"") -> bytes:
    """An echo request whose whole IP packet is ``size`` bytes long (at least the headers); its data begins with
    ``mark``, as far as there is room.

    ICMPv6's checksum is left to the kernel, which fills it in for raw sockets (RFC 3542, 3.1).
    """
    room = max(size - OVERHEAD[family], 0)
    payload = (mark + (PATTERN * (room // len(PATTERN) + 1))[len(mark) :])[:room]
    header = ECHO.pack(REQUEST[family], 0, 0, identifier, sequence)
    if family == socket.AF_INET:
        header = ECHO.pack(REQUEST[family], 0, checksum(header + payload), identifier, sequence)
    return header + payload


def is_reply(family: int, packet: bytes, identifier: int, sequence: int) -> bool:
    """Whether ``packet``, as a raw socket hands it out, answers the request with these numbers.

    A raw IPv4 socket hands out the IP header too, an IPv6 one does not.
    """
    start = _start(family, packet)
    if len(packet) < start + ECHO.size:
        return False
    kind, code, _checksum, its_identifier, its_sequence = ECHO.unpack_from(packet, start)
    return (kind, code, its_identifier, its_sequence) == (REPLY[family], 0, identifier, sequence)


def numbers(family: int, packet: bytes) -> tuple[int, int]:
    """Identifier and sequence number of an echo message as a raw socket hands it out; (-1, -1) if it is too short."""
    start = _start(family, packet)
    return ECHO.unpack_from(packet, start)[3:] if len(packet) >= start + ECHO.size else (-1, -1)


def _start(family: int, packet: bytes) -> int:
    """Where the ICMP header begins."""
    return (packet[0] & 0x0F) * 4 if family == socket.AF_INET and packet else 0


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of ``data``."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
