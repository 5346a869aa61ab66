# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nftables' expressions meta and ct load: numbers of linux/netfilter/nf_tables.h (NFT_META_, NFT_CT_), words of
nft(8)."""

from __future__ import annotations

from enum import IntEnum


class Meta(IntEnum):
    """Of the packet and its devices."""

    LENGTH = 0
    PROTOCOL = 1
    PRIORITY = 2
    MARK = 3
    IIF = 4
    OIF = 5
    IIFNAME = 6
    OIFNAME = 7
    IIFTYPE = 8
    OIFTYPE = 9
    SKUID = 10
    SKGID = 11
    RTCLASSID = 13
    NFPROTO = 15
    L4PROTO = 16
    PKTTYPE = 19
    CPU = 20
    CGROUP = 23
    RANDOM = 24
    IIFKIND = 26
    OIFKIND = 27


class Ct(IntEnum):
    """Of the packet's connection."""

    STATE = 0
    DIRECTION = 1
    STATUS = 2
    MARK = 3
    HELPER = 6
    SADDR = 8
    DADDR = 9
    PROTOCOL = 10
    PROTO_SRC = 11
    PROTO_DST = 12
    LABEL = 13
    ZONE = 17
    IP_SADDR = 19
    IP_DADDR = 20
    IP6_SADDR = 21
    IP6_DADDR = 22


def word(keys: type[IntEnum], number: int) -> str:
    """A key as nft prints it, or its number."""
    known = {key.value: key.name for key in keys}
    return known.get(number, str(number)).lower().replace("_", "-")
