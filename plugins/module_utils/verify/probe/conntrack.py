# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether pods see each other's own addresses: the kernel remembers of each connection who was answered."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from ...ipam.ip import parse_address, parse_subnet
from ...netlink.channel import Channel
from ...netlink.conntrack import CT_NEW_GROUP, Connection, connection, dump
from ...netlink.wire import NETLINK_NETFILTER, NetlinkError


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


class Watch:
    """The connections of this node that begin while it is open, also those that soon end and are forgotten, as one that
    is refused. A context manager."""

    def __init__(self) -> None:
        self._before = {one.key for one in remembered()}
        self._channel = Channel(NETLINK_NETFILTER)
        self._channel.enlarge()
        with contextlib.suppress(OSError):  # a kernel without connection tracking
            self._channel.subscribe(CT_NEW_GROUP)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._channel.close()

    def changed(self, source: str, target: str) -> dict[str, str]:
        """Of what ``source`` has sent to ``target`` meanwhile: ``hidden``, the address that it was seen with instead,
        and ``diverted``, that which was to answer instead; "" if none."""
        told = [connection(payload) for _kind, _port, payload in self._channel.events(1 << 16)[0]]
        # what is too much to be told is remembered, or it was not told because nf_conntrack_events is 0
        made = [one for one in [*told, *remembered()] if one and one.key not in self._before]
        made = [one for one in made if (one.source, one.target) == (source, target)]
        return {
            "hidden": min((one.asker for one in made if one.asker != source), default=""),
            "diverted": min((one.answering for one in made if one.answering != target), default=""),
        }


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
