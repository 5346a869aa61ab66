# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that the kernel remembers: to forget those that a new translation would otherwise not apply to, and to
see what became of their addresses.

Messages and numbers: linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

from .wire import U16BE, Request, attr, attr_u8, attr_u32, family_of, nest, pack_ip, parse, unpack_ip

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from .channel import Channel

CT_GET = 1 << 8 | 1  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
CT_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE

CTA_TUPLE_ORIG = 1
CTA_TUPLE_REPLY = 2
CTA_TUPLE_IP = 1
CTA_IP = {2: (1, 2), 10: (3, 4)}  # CTA_IP_V4_SRC, _DST; CTA_IP_V6_SRC, _DST
CTA_TUPLE_PROTO = 2
CTA_PROTO_NUM = 1
CTA_PROTO_DST_PORT = 3
CTA_FILTER = 25
CTA_FILTER_ORIG_FLAGS = 1
FILTER_PROTO_NUM, FILTER_PROTO_DST_PORT = 1 << 3, 1 << 5  # net/netfilter/nf_internals.h CTA_FILTER_F_*


def forget(family: int, protocol: int, port: int) -> Request:
    """Forget every connection whose first packet went to `port`; `family` 4 or 6, `protocol` IANA's number.

    The kernel filters (since 5.8).
    """
    header = bytes([2 if family == 4 else 10, 0, 0, 0])
    tuple_ = nest(CTA_TUPLE_PROTO, attr_u8(CTA_PROTO_NUM, protocol), attr(CTA_PROTO_DST_PORT, U16BE.pack(port)))
    body = header + nest(CTA_TUPLE_ORIG, tuple_)
    body += nest(CTA_FILTER, attr_u32(CTA_FILTER_ORIG_FLAGS, FILTER_PROTO_NUM | FILTER_PROTO_DST_PORT))
    return CT_DELETE, 0, body, f"forget connections to port {port}"


def answered_to(channel: Channel, source: str, target: str) -> set[str]:
    """To which addresses answers are sent on the connections that ``source`` has made to ``target``: another than
    ``source`` is one that hides it. ``channel`` is one of NETLINK_NETFILTER. Raises NetlinkError."""
    family = family_of(source)
    from_, to = pack_ip(source), pack_ip(target)
    first, second = CTA_IP[family]
    found = set()
    for payload in channel.dump((CT_GET, 0, bytes([family, 0, 0, 0]), "list connections")):
        values = parse(payload, 4)
        original = parse(parse(values.get(CTA_TUPLE_ORIG, b"")).get(CTA_TUPLE_IP, b""))
        if original.get(first) == from_ and original.get(second) == to:
            reply = parse(parse(values.get(CTA_TUPLE_REPLY, b"")).get(CTA_TUPLE_IP, b""))
            found.add(unpack_ip(reply[second]))
    return found
