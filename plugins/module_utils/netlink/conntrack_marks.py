# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections with their ends and their mark, and requests that set one bit of it.

To delete an entry does not end its connection: the next packet makes another, established at once where TCP is picked
up in the middle (nf_conntrack_tcp_loose). A mark stays with the entry, and a rule can drop by it. Messages and numbers:
linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

from .conntrack import (
    CT_GET,
    CTA_IP,
    CTA_PROTO_NUM,
    CTA_TUPLE_IP,
    CTA_TUPLE_ORIG,
    CTA_TUPLE_PROTO,
    CTA_TUPLE_REPLY,
    CTA_ZONE,
)
from .wire import U16BE, U32BE, attr, nest, parse

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .channel import Channel
    from .wire import Request

CT_NEW = 1 << 8  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW: changes an entry that is there
CTA_PROTO_SRC_PORT = 2
CTA_MARK, CTA_MARK_MASK = 8, 21
NUMBER = {4: 2, 6: 10}  # AF_INET, AF_INET6


class Tracked:
    """A connection of ``source`` to ``target``, after destination NAT, both packed; ``port``: the target's, 0 for a
    protocol without. ``entry`` identifies it."""

    __slots__ = ("entry", "mark", "port", "protocol", "source", "target")

    def __init__(self, source: bytes, target: bytes, protocol: int, port: int, mark: int, entry: bytes) -> None:
        self.source = source
        self.target = target
        self.protocol = protocol
        self.port = port
        self.mark = mark
        self.entry = entry


def dump(channel: Channel, version: int) -> Iterator[Tracked]:
    """All connections of IP ``version`` (4 or 6), while the kernel lists them: ``channel``, one of NETLINK_NETFILTER,
    serves for nothing else meanwhile. Raises NetlinkError."""
    family = NUMBER[version]
    body = bytes([family, 0, 0, 0])
    source, _target = CTA_IP[family]
    for payload in channel.stream((CT_GET, 0, body, "list connections")):
        values = parse(payload, 4)
        original, reply = (parse(values.get(kind, b"")) for kind in (CTA_TUPLE_ORIG, CTA_TUPLE_REPLY))
        first, second = (parse(each.get(CTA_TUPLE_IP, b"")) for each in (original, reply))
        protocol = parse(reply.get(CTA_TUPLE_PROTO, b""))
        if source not in first or source not in second or CTA_PROTO_NUM not in protocol:
            continue
        # the replies come from where the packets really went
        port = U16BE.unpack(protocol[CTA_PROTO_SRC_PORT])[0] if CTA_PROTO_SRC_PORT in protocol else 0
        zone = attr(CTA_ZONE, values[CTA_ZONE]) if CTA_ZONE in values else b""
        yield Tracked(
            first[source],
            second[source],
            protocol[CTA_PROTO_NUM][0],
            port,
            U32BE.unpack(values[CTA_MARK])[0] if CTA_MARK in values else 0,
            body + nest(CTA_TUPLE_ORIG, values[CTA_TUPLE_ORIG]) + zone,
        )


def set_bit(connection: Tracked, bit: int, value: bool) -> Request:
    """Sets or clears one ``bit`` of the connection's mark; the kernel answers ENOENT for one that is gone."""
    mark = attr(CTA_MARK, U32BE.pack(bit if value else 0)) + attr(CTA_MARK_MASK, U32BE.pack(bit))
    return CT_NEW, 0, connection.entry + mark, "mark a connection"
