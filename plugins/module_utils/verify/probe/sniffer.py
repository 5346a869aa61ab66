# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a packet is seen: a capture at every interface of a node and of pods on it, for the packets between two ends.

The kernel shows a packet to packet sockets before its packet filter when it comes in, and last of all when it goes out.
So what is sent here and never seen there was lost between the two.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, NamedTuple

from ...netlink.netns import Netns
from ...packets import icmp

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD  # linux/if_ether.h
PACKET_OUTGOING = 4  # linux/if_packet.h
SOL_PACKET, PACKET_AUXDATA = 263, 8
TP_STATUS_CSUMNOTREADY = 1 << 3
SNAP = 65536
#: Packets longer than this are the large ones among the probes, in bytes.
LARGE = 500
VXLAN_HEADERS = 8 + 8 + 14  # UDP, VXLAN, the inner Ethernet header


class Packet(NamedTuple):
    """What is told of a packet: ``way`` "there" or "back", ``kind`` icmp, tcp or udp, whether it is ``large``, its
    addresses, ``outer`` (source, destination, UDP port, VNI) inside a tunnel, and whether its checksum is ``bad``.
    ``strange``: only one of its addresses, and the port, are those asked for; it was translated, or is another's.
    """

    way: str
    kind: str
    large: bool
    source: str
    target: str
    outer: tuple[str, str, int, int] | None
    bad: bool
    strange: bool = False


class Sight:
    """Counts the packets between ``source`` and ``target`` in this namespace and in those of ``pods``: (name, path);
    and those to and from their TCP and UDP ``port`` with one of the two.

    Echoes count only if their data bears ``mark``. A context manager; needs CAP_NET_RAW. Give its sockets to an event
    loop, or call ``read`` when it is time: the kernel queues what comes.
    """

    def __init__(
        self, source: str, target: str, mark: bytes, pods: Iterable[tuple[str, str]] = (), port: int = 0
    ) -> None:
        self.ends = (source, target)
        self.mark = mark
        self.port = port
        self.counted: Counter[tuple[str, str, str, Packet]] = Counter()
        self.sockets: dict[str, socket.socket] = {"node": self._open()}
        for name, path in pods:
            with ExitStack() as stack:
                namespace = Netns(path)
                stack.callback(namespace.close)
                stack.enter_context(namespace)
                self.sockets[name] = self._open()

    def __enter__(self) -> Sight:
        return self

    def __exit__(self, *_exc: object) -> None:
        for one in self.sockets.values():
            one.close()

    @staticmethod
    def _open() -> socket.socket:
        # ETH_P_ALL: only then does the kernel show outgoing packets (packet(7)); SOCK_DGRAM: from the IP header on
        made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        made.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        made.setblocking(False)
        return made

    def read(self) -> None:
        """Count what has come, without waiting."""
        for place, one in self.sockets.items():
            while True:
                try:
                    data, ancillary, _flags, (device, protocol, kind, _hardware, _mac) = one.recvmsg(SNAP, 64)
                except BlockingIOError:
                    break
                if protocol not in (ETH_P_IP, ETH_P_IPV6):
                    continue
                way = "out" if kind == PACKET_OUTGOING else "in"
                packet = self.dissect(data, way == "in" and not _sure(ancillary))
                if packet:
                    self.counted[place, device, way, packet] += 1

    def seen(self, way: str, kind: str, large: bool = False) -> bool:
        """Whether such a packet has passed anywhere here."""
        asked = way, kind, large
        known = (packet for _place, _device, _way, packet in self.counted if not packet.strange)
        return any((packet.way, packet.kind, packet.large) == asked for packet in known)

    def records(self) -> list[dict[str, Any]]:
        """What was seen, JSON-ready: ``place`` ("node" or a pod's name), ``device``, ``direction`` (in or out), the
        packet's values, and ``packets``."""
        return [
            {"place": place, "device": device, "direction": way, **packet._asdict(), "packets": count}
            for (place, device, way, packet), count in sorted(self.counted.items(), key=str)
        ]

    def dissect(self, data: bytes, check: bool, outer: tuple[str, str, int, int] | None = None) -> Packet | None:
        """A packet from its IP header on, None if it is none of those asked for. ``check``: its checksum, too."""
        parsed = _ip(data)
        if parsed is None:
            return None
        protocol, source, target, body = parsed
        size = len(data)
        if protocol == socket.IPPROTO_UDP and outer is None and len(body) > VXLAN_HEADERS and body[8] == 0x08:
            # the headers' places are VXLAN's (RFC 7348) whatever the port: it may be the wrong one
            port, vni = int.from_bytes(body[2:4], "big"), int.from_bytes(body[12:15], "big")
            inner = self.dissect(body[VXLAN_HEADERS:], False, (source, target, port, vni))
            if inner:
                return inner
        if protocol in icmp.PROTOCOL.values():
            return self._echo(body, source, target, size, outer)
        if not {source, target} & set(self.ends) or protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
            return None
        strange = {source, target} != set(self.ends)
        if strange and self.port not in struct.unpack_from("!HH", body.ljust(4, b"\0")):
            return None
        kind = "tcp" if protocol == socket.IPPROTO_TCP else "udp"
        way = "there" if target == self.ends[1] or (strange and source == self.ends[0]) else "back"
        bad = check and not strange and not _checksum_holds(protocol, source, target, body)
        return Packet(way, kind, size > LARGE, source, target, outer, bad, strange)

    def _echo(
        self, body: bytes, source: str, target: str, size: int, outer: tuple[str, str, int, int] | None
    ) -> Packet | None:
        if self.mark not in body[8 : 8 + len(self.mark)]:
            return None
        if body[0] in icmp.REQUEST.values():
            return Packet("there", "icmp", size > LARGE, source, target, outer, False)
        if body[0] in icmp.REPLY.values():
            return Packet("back", "icmp", size > LARGE, source, target, outer, False)
        return None


def _ip(data: bytes) -> tuple[int, str, str, bytes] | None:
    """Protocol, source, destination and body of a whole IPv4 or IPv6 packet without extension headers."""
    if len(data) >= 20 and data[0] >> 4 == 4:
        header = (data[0] & 0x0F) * 4
        source, target = (socket.inet_ntop(socket.AF_INET, data[place : place + 4]) for place in (12, 16))
        length = int.from_bytes(data[2:4], "big") or len(data)
        return data[9], source, target, data[header:length]
    if len(data) >= 40 and data[0] >> 4 == 6:
        source, target = (socket.inet_ntop(socket.AF_INET6, data[place : place + 16]) for place in (8, 24))
        return data[6], source, target, data[40:]
    return None


def _sure(ancillary: list[tuple[int, int, bytes]]) -> bool:
    """Whether the kernel has not made the checksum yet (offloading between namespaces).

    That it vouches for one (TP_STATUS_CSUM_VALID) tells nothing where a tunnel ends: a VXLAN packet without a checksum
    of its own is valid by that, and what it carried keeps the mark (skbuff.h, __skb_checksum_validate_needed).
    """
    for level, kind, payload in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status = struct.unpack_from("=I", payload)[0]
            return bool(status & TP_STATUS_CSUMNOTREADY)
    return True


def _checksum_holds(protocol: int, source: str, target: str, body: bytes) -> bool:
    """TCP's and UDP's checksum with the pseudo-header (RFC 9293, RFC 768, RFC 8200 section 8.1)."""
    if protocol == socket.IPPROTO_UDP and body[6:8] == b"\0\0":
        return True  # none was made
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    pseudo = socket.inet_pton(family, source) + socket.inet_pton(family, target)
    pseudo += struct.pack("!BBH", 0, protocol, len(body)) if family == socket.AF_INET else struct.pack(
        "!II", len(body), protocol
    )  # fmt: skip
    return icmp.checksum(pseudo + body) == 0
