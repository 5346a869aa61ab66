# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A policy's rules → lines of a chain, and the sets that these look into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Union

from ..ipam.ip import width
from ..netlink.nftables import ADDRESS
from . import model
from .model import ANY_PROTOCOL, LAST_PORT, Peer, Port, Rule
from .program import ACCEPT, DROP, EGRESS, GOTO, NAMESPACED, Kind, Line, name_of
from .ranges import Range, merged, of_blocks


class AddressSet(NamedTuple):
    """The addresses of the pods that any of these peers selects; a set for each family."""

    peers: tuple[Peer, ...]

    def name(self, family: int) -> str:
        return name_of(f"peers{family}", self.peers)

    def kind(self, family: int) -> Kind:
        return Kind((ADDRESS[family],))


class NamedPortSet(NamedTuple):
    """Address, protocol and number of the ports that pods call ``port``, of one protocol or ANY_PROTOCOL; of this
    node's pods only, or of all. A set for each family."""

    port: str
    protocol: int
    local: bool

    def name(self, family: int) -> str:
        return name_of(f"named{family}", *self)

    def kind(self, family: int) -> Kind:
        return Kind((ADDRESS[family], "inet_proto", "inet_service"))

    def holds(self, protocol: int) -> bool:
        """Whether a port of that protocol belongs here, if its name does."""
        return self.protocol in (ANY_PROTOCOL, protocol)


class RangeSet(NamedTuple):
    """Addresses or ports that never change: other ones are another set."""

    datatype: str
    ranges: tuple[Range, ...]

    @property
    def name(self) -> str:
        return name_of("ports" if self.datatype == "inet_service" else f"blocks_{self.datatype}", self.ranges)

    @property
    def kind(self) -> Kind:
        return Kind((self.datatype,), interval=True)

    def elements(self) -> Iterator[bytes]:
        size = {"inet_service": 2, ADDRESS[4]: 4, ADDRESS[6]: 16}[self.datatype]
        return (first.to_bytes(size, "big") + last.to_bytes(size, "big") for first, last in self.ranges)


SetSpec = Union[AddressSet, NamedPortSet, RangeSet]
#: Lines, and the sets that they name.
Lines = tuple[tuple[Line, ...], frozenset[SetSpec]]


def of_policy(rules: Iterable[Rule], direction: str, title: str, family: int) -> Lines:
    """For packets of one family; ``title`` names the policy in comments."""
    lines: list[Line] = []
    sets: set[SetSpec] = set()
    for number, rule in enumerate(rules, 1):
        verdict, chain = _verdict(rule.action, direction)
        start = Line(verdict, chain, f"{direction} rule {number} of {title}", family, rule=number)
        for line in _with_ports(start, rule.ports, direction, sets):
            lines += _with_peers(line, rule, direction, sets)
    return tuple(lines), frozenset(sets)


def _verdict(action: str, direction: str) -> tuple[str, str]:
    if action == model.PASS:
        return GOTO, NAMESPACED[direction]
    return (ACCEPT if action == model.ACCEPT else DROP), ""


def _with_peers(line: Line, rule: Rule, direction: str, sets: set[SetSpec]) -> Iterator[Line]:
    if rule.peers is None:
        yield line
        return
    if rule.peers:
        pods = AddressSet(rule.peers)
        sets.add(pods)
        yield _between(line, pods.name(line.family), direction)
    ranges = of_blocks(rule.blocks, line.family)
    if ranges == [(0, (1 << width(line.family)) - 1)]:
        yield line
    elif ranges:
        blocks = RangeSet(ADDRESS[line.family], tuple(ranges))
        sets.add(blocks)
        yield _between(line, blocks.name, direction)


def _between(line: Line, peers: str, direction: str) -> Line:
    """The line for traffic with the addresses in the set ``peers``."""
    return line._replace(target=peers) if direction == EGRESS else line._replace(source=peers)


def _with_ports(line: Line, ports: tuple[Port, ...], direction: str, sets: set[SetSpec]) -> Iterator[Line]:
    if not ports:
        yield line
    for protocol in sorted({port.protocol for port in ports if not port.name}):
        numbers = merged((each.first, each.last) for each in ports if each.protocol == protocol and not each.name)
        if numbers == [(0, LAST_PORT)]:
            yield line._replace(protocol=protocol)
        elif len(numbers) == 1:
            yield line._replace(protocol=protocol, first=numbers[0][0], last=numbers[0][1])
        else:
            several = RangeSet("inet_service", tuple(numbers))
            sets.add(several)
            yield line._replace(protocol=protocol, ports=several.name)
    for protocol, name in sorted({(port.protocol, port.name) for port in ports if port.name}):
        # what comes in by a policy's chain goes to a pod of this node
        named = NamedPortSet(name, protocol, local=direction != EGRESS)
        sets.add(named)
        yield line._replace(named=named.name(line.family))
