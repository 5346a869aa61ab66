# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Masquerade: what pods send out of the cluster leaves with the node's address, all else with their own.

The table and its rules are those of ``nat``; the overlay's share is which networks are the pods' and which
destinations see them by their own addresses. Taking the overlay away takes the whole table: without it there are no
pods.
"""

from __future__ import annotations

from typing import Callable

from .. import nat
from ..ipam.prefix import parse_prefix
from ..netlink import nftables
from ..netlink.channel import Channel
from ..netlink.wire import NETLINK_NETFILTER, NetlinkError, Request
from .config import Config
from .movement import Diff

Planner = Callable[[Channel], "tuple[list[Request], list[str]]"]


def present(config: Config) -> Masquerade:
    """The table as ``config`` wants it. Raises NetlinkError when the kernel's can't be read."""
    networks = [str(network) for network in config.networks] if config.masquerade else []
    kept = [*networks, *(str(block) for block in config.not_masqueraded)] if networks else []

    def planner(channel: Channel) -> tuple[list[Request], list[str]]:
        table, table_changes = nat.differences(channel)
        elements, element_changes = nat.network_differences(channel, networks, _disjoint(kept))
        return [*table, *elements], [*table_changes, *element_changes]

    return Masquerade(planner)


def absent() -> Masquerade:
    """No table. Raises NetlinkError when the kernel's can't be read."""

    def planner(channel: Channel) -> tuple[list[Request], list[str]]:
        if not nftables.exists(channel, nat.TABLE):
            return [], []
        return [nftables.delete_table(nat.TABLE)], [f"delete {nat.TABLE.title()}"]

    return Masquerade(planner)


class Masquerade:
    """The packet filter's part of a movement."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner
        with Channel(NETLINK_NETFILTER) as channel:
            _requests, self.changes = planner(channel)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def describe(self) -> list[str]:
        return self.changes

    def diffs(self) -> list[Diff]:
        return [Diff("nftables", "", "".join(f"{change}\n" for change in self.changes))]

    def apply(self) -> list[str]:
        with Channel(NETLINK_NETFILTER) as channel:
            for attempt in range(nat.TRIES):
                try:
                    # planned anew: a CNI plugin may have made the table meanwhile
                    nftables.transaction(channel, self.planner(channel)[0])
                    break
                except NetlinkError as error:
                    if error.errno not in (nat.EEXIST, nat.ENOENT, nat.ERESTART) or attempt == nat.TRIES - 1:
                        return [str(error)]
        return []


def _disjoint(blocks: list[str]) -> list[str]:
    """``blocks`` without those inside another, since the elements of a set must not overlap."""
    prefixes = [parse_prefix(block) for block in dict.fromkeys(blocks)]
    return [str(one) for one in prefixes if not any(other.covers(one) and other != one for other in prefixes)]
