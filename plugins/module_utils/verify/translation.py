# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether pods see each other's own addresses: the kernel remembers of each connection who was answered."""

from __future__ import annotations

import socket
from typing import Any

from ..ipam.ip import parse_address, parse_subnet
from ..netlink.channel import Channel
from ..netlink.conntrack import Connection, dump
from ..netlink.wire import NETLINK_NETFILTER, NetlinkError


def remembered(echoes: bool = False) -> list[Connection]:
    """The connections that this node's kernel remembers, of both IP versions, or only ``echoes``; none where it does
    not track them."""
    found = []
    for version, protocol in ((4, socket.IPPROTO_ICMP), (6, socket.IPPROTO_ICMPV6)):
        try:
            with Channel(NETLINK_NETFILTER) as channel:
                found += dump(channel, version, protocol if echoes else 0)
        except (NetlinkError, OSError):
            continue
    return found


def check(node: str, networks: list[str], before: list[Connection], after: list[Connection]) -> dict[str, Any]:
    """The check, in the form of ``checks.checks``: what pods in ``networks`` have sent to pods meanwhile was seen with
    their own addresses. What was remembered ``before`` is of another time and does not count."""
    old = {one.key for one in before}
    reason = ""
    for one in after:
        if one.key in old or not (_inside(one.source, networks) and _inside(one.target, networks)):
            continue
        if one.asker != one.source:
            told = "what pods send to pods is masqueraded"
            reason = f"{one.source} is hidden behind {one.asker} from {one.target}: {told}"
            break
        if one.answering != one.target:
            reason = f"what {one.source} sends to {one.target} is diverted to {one.answering}"
            break
    cure = "nft list ruleset (chains of type nat): except the pod network there" if reason else ""
    return {
        "check": "pods see each other's own addresses", "subject": node, "node": node, "ok": not reason,
        "reason": reason, "cure": cure, "step": "nat" if reason else "",
    }  # fmt: skip


def _inside(address: str, networks: list[str]) -> bool:
    return any(parse_address(address) in parse_subnet(network) for network in networks)
