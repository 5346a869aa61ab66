# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets between two pods, and in their nodes' tunnel."""

from __future__ import annotations

import socket
import struct

from ansible_collections.podnet.cluster.plugins.module_utils.packets import icmp

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
