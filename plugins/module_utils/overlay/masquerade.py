# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Masquerade: what pods send out of the cluster leaves with the node's address, all else with their own.

The table and its rules are those of ``nat``; the overlay's share is which networks are the pods' and which
destinations see them by their own addresses. Taking the overlay away takes the whole table: without it there are no
pods.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Callable

from ..converge.plan import Diff
from ..ipam.prefix import parse_prefix
from ..nat import cluster, table
from ..netlink import nftables
from ..netlink.channel import Channel
from ..netlink.nftables import Difference
from ..netlink.wire import NETLINK_NETFILTER, NetlinkError, Request, pack_ip
from .config import Config
from .lease import Lease

Planner = Callable[[Channel], "tuple[list[Request], list[Difference]]"]


def present(
    config: Config, peers: Iterable[Lease] | None = (), known: bytes | None = None, channel: Channel | None = None
) -> Masquerade:
    """The table as ``config`` wants it. Raises NetlinkError when the kernel's can't be read.

    ``peers``: the other nodes; None where somebody else knows them.
    ``known``: the generation of the kernel's ruleset at which all this was right; while it lasts nothing is read.
    """
    networks = [str(network) for network in config.networks] if config.masquerade else []
    kept = [*networks, *(str(block) for block in config.not_masqueraded)] if networks else []

    def planner(channel: Channel) -> tuple[list[Request], list[Difference]]:
        found = [
            table.differences(channel),
            cluster.network_differences(channel, networks, _disjoint(kept)),
        ]
        if peers is not None:
            found.append(cluster.node_differences(channel, nodes(config, peers)))
        return [each for requests, _changes in found for each in requests], [
            each for _requests, changes in found for each in changes
        ]

    return Masquerade(planner, known, channel)


def nodes(config: Config, peers: Iterable[Lease]) -> list[str]:
    """The addresses of ``peers`` that see pods by their own addresses."""
    if not config.masquerade or config.masquerade_nodes:
        return []
    return [address for peer in peers for address in peer.addresses if config.network(6 if ":" in address else 4)]


def follow(channel: Channel, config: Config, new: Iterable[Lease], gone: Iterable[Lease]) -> None:
    """Changes the nodes' addresses in a table that was right. Raises NetlinkError when it was not."""
    come, leave = set(nodes(config, new)), set(nodes(config, gone))
    requests = []
    for name, version in (("nodes4", False), ("nodes6", True)):
        packed = [[pack_ip(each) for each in some if (":" in each) == version] for some in (come - leave, leave - come)]
        requests += cluster.node_requests(name, *packed)
    nftables.transaction(channel, requests)


def absent() -> Masquerade:
    """No table. Raises NetlinkError when the kernel's can't be read."""

    def planner(channel: Channel) -> tuple[list[Request], list[Difference]]:
        if not nftables.exists(channel, table.TABLE):
            return [], []
        return [nftables.delete_table(table.TABLE)], [Difference("delete", table.TABLE.title())]

    return Masquerade(planner)


class Masquerade:
    """The packet filter's step of a plan; over ``channel``, where given, else over one of its own."""

    def __init__(self, planner: Planner, known: bytes | None = None, channel: Channel | None = None) -> None:
        self.planner = planner
        self.channel = channel
        self.changes: list[Difference] = []
        self._requests: list[Request] = []
        with self._open() as there:
            #: The ruleset's generation before anything was read.
            self.generation = nftables.generation(there)
            if self.generation != known:
                self._requests, self.changes = planner(there)

    @property
    def emptied(self) -> bool:
        """Whether what the table held of single pods is gone: it, or a set of it, is to be made (anew)."""
        return any(change.action in ("add", "recreate") for change in self.changes)

    def diffs(self) -> list[Diff]:
        return [Diff("nftables", "", "".join(f"{change}\n" for change in self.changes))]

    def apply(self) -> list[str]:
        with self._open() as channel:
            for attempt in range(table.TRIES):
                try:
                    if attempt or nftables.generation(channel) != self.generation:
                        # planned anew: a CNI plugin may have made the table meanwhile
                        self._requests, _changes = self.planner(channel)
                    nftables.transaction(channel, self._requests)
                    break
                except NetlinkError as error:
                    if error.errno not in (table.EEXIST, table.ENOENT, table.ERESTART) or attempt == table.TRIES - 1:
                        return [str(error)]
        return []

    def _open(self) -> contextlib.AbstractContextManager[Channel]:
        return contextlib.nullcontext(self.channel) if self.channel else Channel(NETLINK_NETFILTER)


def _disjoint(blocks: list[str]) -> list[str]:
    """``blocks`` without those inside another, since the elements of a set must not overlap."""
    prefixes = [parse_prefix(block) for block in dict.fromkeys(blocks)]
    return [str(one) for one in prefixes if not any(other.covers(one) and other != one for other in prefixes)]
