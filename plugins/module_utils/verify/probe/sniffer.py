# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a packet is seen: captures at every interface of a node and of pods on it, of the packets between two ends.

What is sent at one capture point and never seen at the next was lost between the two.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack

from ...netlink.netns import Netns
from ...packets import icmp
from ..model.evidence import IN, Capture, OuterHeader, Packet
from ..model.hop import NODE, CapturePoint
from ..model.path import Direction
from .packet_socket import PacketSocket

#: Bytes that a socket queues.
QUEUE = 4 << 20
#: Packets longer than this are the large ones among the probes, in bytes.
LARGE = 500
VXLAN_HEADERS = 8 + 8 + 14  # UDP, VXLAN, the inner Ethernet header


class Sniffer:
    """Counts the packets between ``source`` and ``target`` in this namespace and in those of ``pods``: (name, path);
    and those to and from their TCP and UDP ``port`` with one of the two.

    Echoes count only if their data bears ``mark``. A context manager; call ``read`` when it is time: the kernel queues
    what comes. Needs CAP_NET_RAW; raises OSError.
    """

    def __init__(
        self, source: str, target: str, mark: bytes, pods: Iterable[tuple[str, str]] = (), port: int = 0
    ) -> None:
        self.ends = (source, target)
        self.mark = mark
        self.port = port
        self.counted: Counter[tuple[CapturePoint, Packet]] = Counter()
        self.sockets = {NODE: PacketSocket(queue=QUEUE)}
        for name, path in pods:
            with ExitStack() as stack:
                namespace = Netns(path)
                stack.callback(namespace.close)
                stack.enter_context(namespace)
                self.sockets[name] = PacketSocket(queue=QUEUE)

    def __enter__(self) -> Sniffer:
        return self

    def __exit__(self, *_exc: object) -> None:
        for one in self.sockets.values():
            one.close()

    def read(self) -> None:
        """Count what has come, without waiting."""
        for owner, one in self.sockets.items():
            for seen in one.packets():
                packet = self.dissect(seen.data, seen.direction == IN and not seen.unfinished)
                if packet:
                    self.counted[CapturePoint(owner, seen.device, seen.direction), packet] += 1

    def seen(self, path: Direction, kind: str, large: bool = False) -> bool:
        """Whether such a packet has passed anywhere here."""
        asked = path, kind, large
        known = (packet for _point, packet in self.counted if not packet.partial)
        return any((packet.path, packet.kind, packet.large) == asked for packet in known)

    def captures(self) -> list[Capture]:
        """What was seen, by capture point."""
        return [Capture(point, packet, count) for (point, packet), count in sorted(self.counted.items(), key=str)]

    def dissect(self, data: bytes, check: bool, outer: OuterHeader | None = None) -> Packet | None:
        """A packet from its IP header on, None if it is none of those asked for. ``check``: its checksum, too."""
        parsed = _ip(data)
        if parsed is None:
            return None
        protocol, source, target, body = parsed
        size = len(data)
        if protocol == socket.IPPROTO_UDP and outer is None and len(body) > VXLAN_HEADERS and body[8] == 0x08:
            # the headers' places are VXLAN's (RFC 7348) whatever the port: it may be the wrong one
            port, vni = int.from_bytes(body[2:4], "big"), int.from_bytes(body[12:15], "big")
            inner = self.dissect(body[VXLAN_HEADERS:], False, OuterHeader(source, target, port, vni))
            if inner:
                return inner
        if protocol in icmp.PROTOCOL.values():
            return self._echo(body, source, target, size, outer)
        if not {source, target} & set(self.ends) or protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
            return None
        partial = {source, target} != set(self.ends)
        if partial and self.port not in struct.unpack_from("!HH", body.ljust(4, b"\0")):
            return None
        kind = "tcp" if protocol == socket.IPPROTO_TCP else "udp"
        forward = target == self.ends[1] or (partial and source == self.ends[0])
        bad = check and not partial and not _checksum_holds(protocol, source, target, body)
        path = Direction.FORWARD if forward else Direction.RETURN
        return Packet(path, kind, size > LARGE, source, target, outer, bad, partial)

    def _echo(self, body: bytes, source: str, target: str, size: int, outer: OuterHeader | None) -> Packet | None:
        if self.mark not in body[8 : 8 + len(self.mark)]:
            return None
        for path, kinds in ((Direction.FORWARD, icmp.REQUEST), (Direction.RETURN, icmp.REPLY)):
            if body[0] in kinds.values():
                return Packet(path, "icmp", size > LARGE, source, target, outer)
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
