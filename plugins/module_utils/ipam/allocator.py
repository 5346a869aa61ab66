# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pod CIDRs for nodes, allocated as kube-controller-manager's range allocator does.

Each cluster CIDR is cut into node CIDRs of one length; a node gets one of each. The service CIDRs are never
allocated, CIDRs that nodes have already are occupied, a released one is used again. Allocation is next-fit: a released
CIDR is not reused at once. The same calls in the same order give the same CIDRs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .ip import width
from .prefix import Prefix, parse_prefix

#: kube-controller-manager's --node-cidr-mask-size-ipv4 and -ipv6.
NODE_PREFIX = {4: 24, 6: 64}
#: A cluster CIDR has at most 2^16 node CIDRs there as well.
MOST_BITS = 16


class AllocationError(ValueError):
    """Pod CIDRs cannot be allocated; the text names the network or node, and the fix."""


class Allocator:
    """The pod CIDRs of one cluster.

    ``networks`` are the cluster CIDRs, one for each IP version at most; ``node_prefixes`` the node CIDRs' lengths by IP
    version (24 and 64 where left out); ``services`` the service CIDRs. Raises AllocationError for what cannot work.
    """

    def __init__(
        self, networks: Sequence[str], node_prefixes: Mapping[int, int] | None = None, services: Sequence[str] = ()
    ) -> None:
        lengths = {**NODE_PREFIX, **(node_prefixes or {})}
        self.ranges = [_Range(block, lengths[block.version]) for block in _blocks(networks, "the pod network")]
        versions = [each.network.version for each in self.ranges]
        if not versions or len(set(versions)) != len(versions):
            raise AllocationError(f"the pod networks are {list(networks)}: give one for each IP version, at least one")
        for block in _blocks(services, "the service network"):
            for each in self.ranges:
                each.mark(block, "the service network")
        self.nodes: dict[str, list[str]] = {}

    def occupy(self, node: str, cidrs: Sequence[str]) -> None:
        """Occupies ``cidrs``, which ``node`` has already. Raises AllocationError if they are outside the pod networks
        or another node's."""
        blocks = _blocks(cidrs, f"{node}'s pod CIDR")
        for block in blocks:
            self._range(node, block).check(node, block)
        for block in blocks:
            self._range(node, block).mark(block, node)
        held = self.nodes.setdefault(node, [])
        held.extend(str(block) for block in blocks if str(block) not in held)

    def allocate(self, node: str) -> list[str]:
        """The pod CIDRs of ``node``: those it has, and a new one from each network of which it has none. Raises
        AllocationError if a network is exhausted; then nothing is allocated."""
        held = _blocks(self.nodes.get(node, []), node)
        lacking = [each for each in self.ranges if not any(each.network.covers(block) for block in held)]
        found = [each.free(node) for each in lacking]
        for each, block in zip(lacking, found):
            each.take(block, node)
        blocks = held + found
        self.nodes[node] = [str(block) for each in self.ranges for block in blocks if each.network.covers(block)]
        return list(self.nodes[node])

    def release(self, node: str) -> None:
        """Releases the node's CIDRs, if it has any."""
        for block in _blocks(self.nodes.pop(node, []), node):
            self._range(node, block).unmark(block)

    def _range(self, node: str, block: Prefix) -> _Range:
        for each in self.ranges:
            if each.network.covers(block):
                return each
        networks = ", ".join(str(each.network) for each in self.ranges)
        raise AllocationError(f"{node}'s pod CIDR {block} is not inside the pod network {networks}")


def assign(
    nodes: Iterable[str],
    networks: Sequence[str],
    node_prefixes: Mapping[int, int] | None = None,
    services: Sequence[str] = (),
    occupied: Mapping[str, Sequence[str]] | None = None,
    remembered: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, list[str]]:
    """Pod CIDRs for ``nodes`` in their order, by name. Raises AllocationError.

    ``occupied`` are the pod CIDRs that nodes have by the API; they are kept. ``remembered`` are those of an earlier
    run; they are kept for nodes that are not in ``occupied``, unless they overlap one that is taken.
    """
    allocator = Allocator(networks, node_prefixes, services)
    for node, cidrs in (occupied or {}).items():
        allocator.occupy(node, cidrs)
    for node, cidrs in (remembered or {}).items():
        if node not in allocator.nodes:
            try:
                allocator.occupy(node, cidrs)
            except AllocationError:
                pass  # it gets another
    return {node: allocator.allocate(node) for node in nodes}


class _Range:
    """One cluster CIDR, cut into node CIDRs; a node CIDR is known by its number."""

    def __init__(self, network: Prefix, length: int) -> None:
        longest = min(width(network.version), network.length + MOST_BITS)
        if not network.length <= length <= longest:
            raise AllocationError(
                f"node prefix {length} does not fit the pod network {network}: "
                f"give one from {network.length} to {longest}"
            )
        self.network = network
        self.length = length
        self.shift = width(network.version) - length
        self.count = 1 << (length - network.length)
        self.owners: dict[int, str] = {}
        self.next = 0

    def numbers(self, block: Prefix) -> range:
        """The node CIDRs that ``block`` touches."""
        if not self.network.overlaps(block):
            return range(0)
        first = max(block.first, self.network.first) - self.network.first
        last = min(block.last, self.network.last) - self.network.first
        return range(first >> self.shift, (last >> self.shift) + 1)

    def check(self, node: str, block: Prefix) -> None:
        for number in self.numbers(block):
            owner = self.owners.get(number, node)
            if owner != node:
                raise AllocationError(f"{node}'s pod CIDR {block} overlaps {owner}'s: each node needs its own")

    def mark(self, block: Prefix, owner: str) -> None:
        for number in self.numbers(block):
            self.owners[number] = owner

    def unmark(self, block: Prefix) -> None:
        for number in self.numbers(block):
            self.owners.pop(number, None)

    def free(self, node: str) -> Prefix:
        """The next free node CIDR after the last one that was allocated."""
        if len(self.owners) < self.count:
            number = self.next
            while number in self.owners:
                number = (number + 1) % self.count
            first = self.network.first + (number << self.shift)
            return Prefix(self.network.version, first, first + (1 << self.shift) - 1, self.length)
        raise AllocationError(
            f"{node}: the pod network {self.network} has no /{self.length} left: all {self.count} are taken; "
            "a wider network or a longer node prefix gives more"
        )

    def take(self, block: Prefix, owner: str) -> None:
        self.mark(block, owner)
        self.next = (self.numbers(block)[0] + 1) % self.count


def _blocks(values: Iterable[str], what: str) -> list[Prefix]:
    try:
        return [parse_prefix(value) for value in values]
    except ValueError as error:
        raise AllocationError(f"{what}: {error}") from None
