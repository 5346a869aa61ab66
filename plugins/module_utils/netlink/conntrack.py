# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connection tracking: delete entries to which a new translation would not apply, and read how addresses were
translated.

Messages and numbers: linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

from .wire import U16BE, Request, attr, attr_u8, attr_u32, nest, parse, unpack_ip

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from .channel import Channel

CT_GET = 1 << 8 | 1  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
CT_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
CT_NEW_GROUP = 1  # nfnetlink_compat.h NFNLGRP_CONNTRACK_NEW: every connection, once its first packet has passed

CTA_TUPLE_ORIG = 1
CTA_TUPLE_REPLY = 2
CTA_TUPLE_IP = 1
CTA_IP = {2: (1, 2), 10: (3, 4)}  # CTA_IP_V4_SRC, _DST; CTA_IP_V6_SRC, _DST
CTA_TUPLE_PROTO = 2
CTA_PROTO_NUM = 1
CTA_PROTO_DST_PORT = 3
CTA_ID = 12
CTA_ZONE = 18
CTA_FILTER = 25
CTA_FILTER_ORIG_FLAGS = 1
#: net/netfilter/nf_internals.h CTA_FILTER_F_*
FILTER_PROTO_NUM, FILTER_PROTO_DST_PORT = 1 << 3, 1 << 5


def forget(connection: Connection) -> Request:
    """Forget this connection; the kernel answers ENOENT for one that is gone.

    One by one: who asks the kernel to forget by an IPv6 address loses all others (ctnetlink_filter_match_tuple() in
    net/netfilter/nf_conntrack_netlink.c, up to Linux 6.18 at least, takes equal for different).
    """
    body = connection.header + nest(CTA_TUPLE_ORIG, connection.tuple) + connection.more
    return CT_DELETE, 0, body, f"forget the connection from {connection.source} to {connection.target}"


class Connection:
    """A conntrack entry: ``source`` sent to ``target``; replies go from ``answering`` to ``asker``.

    Without NAT these are the same two addresses. Another ``asker`` means SNAT, another ``answering`` DNAT.
    ``key`` identifies the entry.
    """

    __slots__ = ("answering", "asker", "header", "key", "more", "source", "target", "tuple")

    def __init__(self, header: bytes, tuple: bytes, more: bytes, source: str, target: str, answering: str, asker: str):
        #: By which the kernel finds it: its family, its first packet as an attribute's content, its ID and zone.
        self.header = header
        self.tuple = tuple
        self.more = more
        self.key = more + tuple
        self.source = source
        self.target = target
        self.answering = answering
        self.asker = asker


def dump(channel: Channel, family: int, protocol: int = 0, port: int = 0) -> list[Connection]:
    """The remembered connections of IP version ``family`` (4 or 6), those of one ``protocol`` (IANA's number) if it is
    given, and those whose first packet went to one ``port`` of it: then the kernel filters (since 5.8). ``channel`` is
    one of NETLINK_NETFILTER. Raises NetlinkError."""
    number = 2 if family == 4 else 10
    body = bytes([number, 0, 0, 0])
    if protocol:
        wanted = attr_u8(CTA_PROTO_NUM, protocol) + (attr(CTA_PROTO_DST_PORT, U16BE.pack(port)) if port else b"")
        body += nest(CTA_TUPLE_ORIG, nest(CTA_TUPLE_PROTO, wanted))
        flags = FILTER_PROTO_NUM | (FILTER_PROTO_DST_PORT if port else 0)
        body += nest(CTA_FILTER, attr_u32(CTA_FILTER_ORIG_FLAGS, flags))
    entries = (connection(payload) for payload in channel.dump((CT_GET, 0, body, "list connections")))
    return [one for one in entries if one]


def connection(payload: bytes) -> Connection | None:
    """The entry of a message, in a dump or an event of CT_NEW_GROUP; None for one without addresses."""
    first, second = CTA_IP.get(payload[0], (0, 0))
    values = parse(payload, 4)
    original = parse(parse(values.get(CTA_TUPLE_ORIG, b"")).get(CTA_TUPLE_IP, b""))
    reply = parse(parse(values.get(CTA_TUPLE_REPLY, b"")).get(CTA_TUPLE_IP, b""))
    if first not in original or first not in reply:
        return None
    header = bytes([payload[0], 0, 0, 0])
    more = b"".join(attr(kind, values[kind]) for kind in (CTA_ID, CTA_ZONE) if kind in values)
    four = (unpack_ip(each[place]) for each in (original, reply) for place in (first, second))
    return Connection(header, values[CTA_TUPLE_ORIG], more, *four)
