# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table's elements for the cluster: pod networks, unmasqueraded destinations, the nodes' addresses and ports."""

from __future__ import annotations

from errno import ENOENT

from ..netlink import nftables
from ..netlink.nftables import Difference
from ..netlink.wire import NetlinkError
from . import guard
from .table import TABLE

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..netlink.channel import Channel
    from ..netlink.wire import Request


#: The sets whose elements are the cluster's; those of the others are single pods'.
PREFIXES = ("pod_networks", "not_masqueraded", "seen_by_nodes")
SETS = (*(f"{name}{family}" for name in PREFIXES for family in (4, 6)), *guard.SETS)


def network_differences(channel: Channel, wanted: Mapping[str, list[str]]) -> tuple[list[Request], list[Difference]]:
    """The requests that leave the sets of ``PREFIXES`` with exactly these prefixes, by set, and what they do.

    Works for a missing table, too: then all prefixes are added. Carry the requests out together with
    those of ``table.differences`` in one ``nftables.transaction``.
    """
    requests: list[Request] = []
    changes: list[Difference] = []
    present = nftables.exists(channel, TABLE)
    known = nftables.read_sets(channel, TABLE) if present else {}
    for kind, prefixes in wanted.items():
        for family in (4, 6):
            name = f"{kind}{family}"
            ranges = {nftables.prefix_range(item): item for item in prefixes if (":" in item) == (family == 6)}
            actual = nftables.read_prefixes(channel, TABLE, name) if name in known else []
            if sorted(ranges) == sorted(actual):
                continue
            if actual:
                requests.append(nftables.flush_set(TABLE, name))
            if ranges:
                requests.append(nftables.add_prefixes(TABLE, name, ranges.values()))
            content = ", ".join(ranges.values()) or "no elements"
            changes.append(Difference("change", f"set {name} of {TABLE.title()}", content))
    return requests, changes


def key_differences(channel: Channel, wanted: Mapping[str, set[bytes]]) -> tuple[list[Request], list[Difference]]:
    """The requests that leave these sets with exactly these packed elements; otherwise as ``network_differences``."""
    requests: list[Request] = []
    changes: list[Difference] = []
    present = nftables.exists(channel, TABLE)
    for name, keys in wanted.items():
        try:
            actual = nftables.read_keys(channel, TABLE, name) if present else set()
        except NetlinkError as error:
            if error.errno != ENOENT:
                raise
            actual = set()  # a table of a version without that set
        requests += key_requests(name, keys - actual, actual - keys)
        if keys != actual:
            content = f"add {len(keys - actual)}, remove {len(actual - keys)}"
            changes.append(Difference("change", f"set {name} of {TABLE.title()}", content))
    return requests, changes


def key_requests(name: str, new: Iterable[bytes], gone: Iterable[bytes]) -> list[Request]:
    """The requests that put packed elements into a set without intervals, and take others out."""
    found = nftables.split(nftables.delete_elements, TABLE, name, sorted(gone))
    return found + nftables.split(nftables.add_elements, TABLE, name, [(key, None) for key in sorted(new)])
