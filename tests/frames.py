# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames that no socket would send: made byte by byte, for tests of what must not be taken at its word."""

from __future__ import annotations

import ipaddress
import socket
import struct


def checksum(data: bytes) -> int:
    """RFC 1071."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(source: str, target: str, port: int, payload: bytes) -> bytes:
    """An IP packet with a UDP datagram."""
    one, two = (ipaddress.ip_address(each).packed for each in (source, target))
    length = 8 + len(payload)
    pseudo = one + two + (struct.pack("!I3xB", length, 17) if len(one) == 16 else struct.pack("!xBH", 17, length))
    header = struct.pack("!HHH", 40000, port, length)
    datagram = header + struct.pack("!H", checksum(pseudo + header + bytes(2) + payload)) + payload
    if len(one) == 16:
        return struct.pack("!IHBB", 6 << 28, length, 17, 64) + one + two + datagram
    start = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 1, 0, 64, 17)
    return start + struct.pack("!H", checksum(start + bytes(2) + one + two)) + one + two + datagram


def frame(source: str, target: str, packet: bytes) -> bytes:
    """An Ethernet frame between two MAC addresses."""
    kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    return bytes.fromhex(target.replace(":", "")) + bytes.fromhex(source.replace(":", "")) + kind + packet


def advertisement(source: str, prefix: str) -> bytes:
    """A router advertisement (RFC 4861, 4.2) for a /64 prefix to make addresses of, and of a default route by the
    link-local address ``source``."""
    one, two = (ipaddress.ip_address(each).packed for each in (source, "ff02::1"))
    option = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0) + ipaddress.ip_address(prefix).packed
    body = struct.pack("!BBHII", 64, 0, 1800, 0, 0) + option
    pseudo = one + two + struct.pack("!I3xB", 4 + len(body), 58)
    message = struct.pack("!BBH", 134, 0, checksum(pseudo + struct.pack("!BBH", 134, 0, 0) + body)) + body
    return struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + one + two + message


def send(netns, data: bytes, dev: str = "eth0") -> None:
    """Send a frame out of a namespace's link."""
    with netns.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((dev, 0))
        sender.send(data)
