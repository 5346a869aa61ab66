# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody else's packet filter that drops what a node forwards: docker's FORWARD policy, a firewall's default.

Pods' packets are forwarded ones, so such a chain cuts pods off unless a rule of its accepts them. It is not ours to
change; it is ours to say.
"""

from __future__ import annotations

from ..netlink.channel import Channel
from ..netlink.nftables import FAMILIES, GETCHAIN, HOOKS, INFO
from ..netlink.wire import NETLINK_NETFILTER, NetlinkError, parse, text

_NAMES = {value: name for name, value in FAMILIES.items()}
# linux/netfilter/nf_tables.h: attributes of a chain and of its hook
_TABLE, _NAME, _HOOK, _POLICY = 1, 3, 4, 5
_HOOKNUM = 1
_DROP = b"\0\0\0\0"


def dropping_chains() -> list[str]:
    """The chains at the forward hook with policy drop, as nft names them ("ip filter FORWARD"); none where the
    kernel has no nftables. Chains of iptables-legacy are not seen."""
    try:
        with Channel(NETLINK_NETFILTER) as channel:
            payloads = channel.dump((GETCHAIN, 0, INFO.pack(0, 0, 0), "list chains"))
    except (NetlinkError, OSError):
        return []
    found = []
    for payload in payloads:
        values = parse(payload, INFO.size)
        if _HOOK not in values or values.get(_POLICY) != _DROP or payload[0] == FAMILIES["bridge"]:
            continue
        hook = parse(values[_HOOK]).get(_HOOKNUM, b"")
        if int.from_bytes(hook, "big") == HOOKS["forward"]:
            found.append(f"{_NAMES.get(payload[0], payload[0])} {text(values[_TABLE])} {text(values[_NAME])}")
    return sorted(found)
