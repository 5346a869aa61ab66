# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether pods see each other's own addresses: connection tracking knows both sides of each connection."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable

from ...ipam.ip import parse_address
from ...ipam.prefix import Prefix
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

    def translation(self, source: str, target: str) -> tuple[str, str]:
        """Of what ``source`` has sent to ``target`` meanwhile: the address that it was seen with instead (SNAT), and
        the one that was to answer instead (DNAT); "" for none."""
        announced = [connection(payload) for _kind, _port, payload in self._channel.events(1 << 16)[0]]
        # the kernel drops announcements under load, and makes none where nf_conntrack_events is 0
        made = [one for one in [*announced, *remembered()] if one and one.key not in self._before]
        made = [one for one in made if (one.source, one.target) == (source, target)]
        return (
            min((one.asker for one in made if one.asker != source), default=""),
            min((one.answering for one in made if one.answering != target), default=""),
        )


def translated(before: list[Connection], after: list[Connection], networks: Iterable[Prefix]) -> Connection | None:
    """A connection between pods in ``networks`` that began meanwhile and whose source or target was translated, None if
    there is none. What was remembered ``before`` is of another time and does not count."""
    old = {one.key for one in before}
    for one in after:
        between_pods = _inside(one.source, networks) and _inside(one.target, networks)
        if one.key not in old and between_pods and (one.asker != one.source or one.answering != one.target):
            return one
    return None


def _inside(address: str, networks: Iterable[Prefix]) -> bool:
    return any(network.holds(*parse_address(address)) for network in networks)
