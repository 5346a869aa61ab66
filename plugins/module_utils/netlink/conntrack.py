# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that the kernel remembers: to forget those that a new translation would otherwise not apply to.

Messages and numbers: linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

from .wire import U16BE, Request, attr, attr_u8, attr_u32, nest

CT_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE

CTA_TUPLE_ORIG = 1
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
