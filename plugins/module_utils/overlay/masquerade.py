# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The overlay's elements of the nftables table: the cluster's networks, peers and ports.

Masquerade: what pods send out of the cluster leaves with the node's address, all else with their own. Trust: only
peers may send to the port of a tunnel without authentication.

The table and its rules are those of ``nat``. Removing the overlay removes the whole table: without it there are no
pods.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Callable

from ..converge.failure import failure
from ..converge.plan import Diff
from ..findings.finding import Finding
from ..ipam.ip import version_of
from ..ipam.prefix import parse_prefix
from ..nat import cluster, table
from ..netlink import nftables
from ..netlink.channel import Channel
from ..netlink.nftables import Difference
from ..netlink.wire import NETLINK_NETFILTER, U16BE, NetlinkError, Request, pack_ip
from .config import Config
from .lease import Lease, Leases

Planner = Callable[[Channel], "tuple[list[Request], list[Difference]]"]


def present(
    config: Config, leases: Leases, known: bytes | None = None, channel: Channel | None = None, own_only: bool = False
) -> Masquerade:
    """The table as ``config`` and ``leases`` want it. Raises NetlinkError when the kernel's cannot be read.

    ``known``: the generation of the kernel's ruleset at which all this was right; while it lasts nothing is read.
    ``own_only``: the agent knows the peers, and elements that depend on them stay.
    """
    networks = [str(network) for network in config.networks] if config.masquerade else []
    kept = [*networks, *(str(block) for block in config.not_masqueraded)] if networks else []
    prefixes = {
        "pod_networks": networks,
        "not_masqueraded": _disjoint(kept),
        "seen_by_nodes": [] if config.masquerade_nodes else networks,
    }

    def planner(channel: Channel) -> tuple[list[Request], list[Difference]]:
        found = [
            table.differences(channel),
            cluster.network_differences(channel, prefixes),
        ]
        if not own_only:
            of_peers = peers_elements(config, leases.peers)
            found.append(cluster.key_differences(channel, {**of_peers, **_own_elements(config, leases.own)}))
        return [each for requests, _changes in found for each in requests], [
            each for _requests, changes in found for each in changes
        ]

    return Masquerade(planner, known, channel)


def peers_elements(config: Config, peers: Iterable[Lease]) -> dict[str, set[bytes]]:
    """By set the packed addresses of ``peers``, where a rule asks for them: they see pods' addresses, or may
    send to the tunnel's port."""
    found: dict[str, set[bytes]] = {"peers4": set(), "peers6": set()}
    seeing = config.masquerade and not config.masquerade_nodes
    asked = {version for version in (4, 6) if _trusting(config) or (seeing and config.network(version))}
    for peer in peers:
        for address in peer.addresses:
            version = version_of(address)
            if version in asked:
                found[f"peers{version}"].add(pack_ip(address))
    return found


def _own_elements(config: Config, own: Lease) -> dict[str, set[bytes]]:
    """The tunnel's port, and the addresses of this node's at which peers may reach it."""
    found: dict[str, set[bytes]] = {name: set() for name in ("overlay_ports", "vteps4", "vteps6")}
    if _trusting(config):
        found["overlay_ports"].add(U16BE.pack(config.backend.port))
        for address in own.addresses:
            found[f"vteps{version_of(address)}"].add(pack_ip(address))
    return found


def _trusting(config: Config) -> bool:
    """Whether the tunnel takes any sender to its port for a peer: WireGuard authenticates them, and host-gw has no
    tunnel."""
    return config.backend.type == "vxlan"


def follow(channel: Channel, config: Config, new: Iterable[Lease], gone: Iterable[Lease]) -> None:
    """Changes the peers' addresses in a table that was in sync. Raises NetlinkError if it was not."""
    come, leave = peers_elements(config, new), peers_elements(config, gone)
    requests = []
    for name in come:
        requests += cluster.key_requests(name, come[name] - leave[name], leave[name] - come[name])
    nftables.transaction(channel, requests)


def absent() -> Masquerade:
    """The removal of the table. Raises NetlinkError if the kernel's cannot be read."""

    def planner(channel: Channel) -> tuple[list[Request], list[Difference]]:
        if not nftables.exists(channel, table.TABLE):
            return [], []
        return [nftables.delete_table(table.TABLE)], [Difference("delete", table.TABLE.title())]

    return Masquerade(planner)


class Masquerade:
    """The packet filter's step of a plan; over ``channel`` if given, else over its own."""

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
        """Whether the pods' elements are gone: the table, or one of its sets, will be made or recreated."""
        return any(change.action in ("add", "recreate") for change in self.changes)

    def diffs(self) -> list[Diff]:
        return [Diff("nftables", "", "".join(f"{change}\n" for change in self.changes))]

    def apply(self) -> list[Finding]:
        with self._open() as channel:
            for attempt in range(table.TRIES):
                try:
                    if attempt or nftables.generation(channel) != self.generation:
                        # planned again: a CNI plugin may have made the table meanwhile
                        self._requests, _changes = self.planner(channel)
                    nftables.transaction(channel, self._requests)
                    break
                except NetlinkError as error:
                    if error.errno not in nftables.RACED or attempt == table.TRIES - 1:
                        return [failure(error.what, error)]
        return []

    def _open(self) -> contextlib.AbstractContextManager[Channel]:
        return contextlib.nullcontext(self.channel) if self.channel else Channel(NETLINK_NETFILTER)


def _disjoint(blocks: list[str]) -> list[str]:
    """``blocks`` without those inside another, since the elements of a set must not overlap."""
    prefixes = [parse_prefix(block) for block in dict.fromkeys(blocks)]
    return [str(one) for one in prefixes if not any(other.covers(one) and other != one for other in prefixes)]
