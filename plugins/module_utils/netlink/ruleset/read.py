# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of a node as data: base chains by hook, rules on demand, elements of sets; nftables and iptables alike.

A rule is a list of expressions, each a name and its attributes as bytes (linux/netfilter/nf_tables.h). Rules of
iptables' own tables get the same form: their matches and targets are what iptables-nft calls "match" and "target".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..channel import Channel
from ..nftables import COMMENT, GETCHAIN, GETRULE, GETSET, GETSETELEM, HOOKS, INFO, user_data
from ..wire import NETLINK_NETFILTER, NetlinkError, attr_str, attributes, parse, text
from . import legacy

#: linux/netfilter.h NFPROTO_*
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
HOOK_NAMES = {number: name for name, number in HOOKS.items()} | {5: "ingress"}  # NF_INET_INGRESS
NETDEV_HOOKS = {0: "ingress", 1: "egress"}
SET_INTERVAL, ELEM_END, ELEM_CATCHALL = 4, 1, 2


class ChainKey(NamedTuple):
    """A chain. ``family`` is nftables' ("inet", "ip", …) or the tool of iptables' own tables ("iptables-legacy")."""

    family: str
    table: str
    name: str

    def __str__(self) -> str:
        return f"{self.family} {self.table} {self.name}"


class Base(NamedTuple):
    """A base chain: ``kind`` is nat, filter or route; ``drops``: its policy does; ``devices`` that it is bound to."""

    key: ChainKey
    kind: str
    hook: str
    priority: int
    drops: bool
    devices: tuple[str, ...] = ()


Expression = tuple[str, dict[int, bytes]]


class Rule(NamedTuple):
    """A rule: ``handle`` names it to ``nft delete rule``; of iptables' own tables it is the number in its chain."""

    key: ChainKey
    handle: int
    comment: str
    expressions: list[Expression]


class Element(NamedTuple):
    """An element of a set: from ``key`` to ``last`` (the same for a single one); ``data`` of a map."""

    key: bytes
    last: bytes
    data: dict[int, bytes]


class Elements:
    """A set's elements. ``fields`` are the lengths of a concatenation's parts, where they have ranges."""

    def __init__(self, single: dict[bytes, Element], ranges: list[Element], other: Element | None, fields: list[int]):
        self._single, self._ranges, self._other, self._fields = single, ranges, other, fields

    def all(self) -> list[Element]:
        return [*self._single.values(), *self._ranges, *([self._other] if self._other else [])]

    def find(self, key: bytes) -> Element | None:
        """The element that holds the key; the catch-all where no other does."""
        found = self._single.get(key) or next((one for one in self._ranges if self._holds(one, key)), None)
        return found or self._other

    def _holds(self, one: Element, key: bytes) -> bool:
        at = 0
        for length in self._fields or [len(key)]:
            if not one.key[at : at + length] <= key[at : at + length] <= one.last[at : at + length]:
                return False
            at += (length + 3) & ~3
        return True


class _Set(NamedTuple):
    flags: int
    length: int
    fields: list[int]


def _set_of(values: dict[int, bytes]) -> _Set:
    parts = attributes(parse(values.get(9, b"")).get(2, b""))
    fields = [int.from_bytes(parse(part).get(1, b""), "big") for _kind, part in parts]
    return _Set(int.from_bytes(values.get(3, b""), "big"), int.from_bytes(values.get(5, b""), "big"), fields)


class Ruleset:
    """All rules of this network namespace, read as they are asked for. A context manager: it holds a socket."""

    def __init__(self, channel: Channel | None = None, tables: list[legacy.Table] | None = None) -> None:
        """Raises OSError where the kernel has no nftables and cannot be asked."""
        self._channel = channel or Channel(NETLINK_NETFILTER)
        self._legacy = {(one.tool, one.name): one for one in (legacy.tables() if tables is None else tables)}
        self._rules: dict[ChainKey, list[Rule]] = {}
        self._elements: dict[tuple[str, str, str], Elements] = {}
        self._sets: dict[tuple[str, str], dict[str, _Set]] = {}
        self._bases: list[Base] | None = None
        self._names: set[str] = set()

    def __enter__(self) -> Ruleset:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._channel.close()

    def bases(self) -> list[Base]:
        """All base chains, those of iptables' own tables behind nftables'."""
        if self._bases is None:
            self._bases = [*self._nft_bases(), *(base for one in self._legacy.values() for base in _of_legacy(one))]
        return self._bases

    def has(self, name: str) -> bool:
        """Whether there is a chain or a table of that name."""
        self.bases()
        return name in self._names or any(table.rules(name) for table in self._legacy.values())

    def rules(self, key: ChainKey) -> list[Rule]:
        """The chain's rules in order; none of a chain that is gone."""
        if key not in self._rules:
            table = self._legacy.get((key.family, key.table))
            self._rules[key] = _legacy_rules(key, table) if table else self._nft_rules(key)
        return self._rules[key]

    def elements(self, family: str, table: str, name: str) -> Elements:
        """The elements of a set or map; none of one that is gone."""
        key = family, table, name
        if key not in self._elements:
            self._elements[key] = self._read_elements(*key)
        return self._elements[key]

    def _dump(self, kind: int, family: str, *attributes_: bytes) -> list[bytes]:
        number = next((number for number, name in FAMILIES.items() if name == family), 0)
        try:
            return self._channel.dump((kind, 0, INFO.pack(number, 0, 0) + b"".join(attributes_), "list the ruleset"))
        except NetlinkError:
            return []

    def _nft_bases(self) -> Iterator[Base]:
        for payload in self._dump(GETCHAIN, ""):
            values = parse(payload, INFO.size)
            self._names |= {text(values[1]), text(values[3])}
            if 4 not in values:
                continue
            family, attached = FAMILIES.get(payload[0], str(payload[0])), parse(values[4])
            number = int.from_bytes(attached.get(1, b""), "big")
            hook = (NETDEV_HOOKS if family == "netdev" else HOOK_NAMES).get(number, str(number))
            devices = [text(attached[3])] if 3 in attached else []
            devices += [text(name) for _kind, name in attributes(attached.get(4, b""))]
            priority = int.from_bytes(attached.get(2, b""), "big", signed=True)
            key = ChainKey(family, text(values[1]), text(values[3]))
            drops = values.get(5, b"\0\0\0\1") == bytes(4)
            yield Base(key, text(values.get(7, b"")), hook, priority, drops, tuple(dict.fromkeys(devices)))

    def _nft_rules(self, key: ChainKey) -> list[Rule]:
        found = []
        for payload in self._dump(GETRULE, key.family, attr_str(1, key.table), attr_str(2, key.name)):
            values = parse(payload, INFO.size)
            if (FAMILIES.get(payload[0]), text(values[1]), text(values[2])) == key:  # an older kernel lists all
                found.append(_nft_rule(key, values))
        return found

    def key_length(self, family: str, table: str, name: str) -> int:
        """Bytes of a set's keys, 0 for one that is gone."""
        return self._set(family, table, name).length

    def _set(self, family: str, table: str, name: str) -> _Set:
        key = family, table
        if key not in self._sets:
            parsed = (parse(one, INFO.size) for one in self._dump(GETSET, family, attr_str(1, table)))
            self._sets[key] = {text(values[2]): _set_of(values) for values in parsed}
        return self._sets[key].get(name, _Set(0, 0, []))

    def _read_elements(self, family: str, table: str, name: str) -> Elements:
        of_set = self._set(family, table, name)
        found = [
            parse(element)
            for payload in self._dump(GETSETELEM, family, attr_str(1, table), attr_str(2, name))
            for _kind, element in attributes(parse(payload, INFO.size).get(3, b""))
        ]
        return elements_of(found, bool(of_set.flags & SET_INTERVAL), of_set.fields)


def elements_of(found: list[dict[int, bytes]], interval: bool, fields: list[int]) -> Elements:
    """A set's elements from their attributes (NFTA_SET_ELEM_*)."""
    single: dict[bytes, Element] = {}
    ranges: list[Element] = []
    other: Element | None = None
    ends: list[tuple[bytes, bool, dict[int, bytes]]] = []
    for values in found:
        flags = int.from_bytes(values.get(3, b""), "big")
        data, key = parse(values.get(2, b"")), parse(values.get(1, b"")).get(1, b"")
        if flags & ELEM_CATCHALL:
            other = Element(b"", b"", data)
        elif 10 in values:
            ranges.append(Element(key, parse(values[10]).get(1, b""), data))
        elif interval and not fields[1:]:
            ends.append((key, bool(flags & ELEM_END), data))
        else:
            single[key] = Element(key, key, data)
    ends.sort(key=lambda end: (end[0], not end[1]))
    for number, (key, closes, data) in enumerate(ends):
        if not closes:
            following = ends[number + 1][0] if number + 1 < len(ends) else b""
            last = (int.from_bytes(following, "big") - 1).to_bytes(len(key), "big") if following else b"\xff" * len(key)
            ranges.append(Element(key, last, data))
    return Elements(single, ranges, other, fields if fields[1:] else [])


def _nft_rule(key: ChainKey, values: dict[int, bytes]) -> Rule:
    expressions = []
    comment = text(user_data(values.get(7, b"")).get(COMMENT, b""))
    for _kind, element in attributes(values.get(4, b"")):
        parts = parse(element)
        name, inside = text(parts.get(1, b"")), parse(parts.get(2, b""))
        expressions.append((name, inside))
        if name == "match" and text(inside.get(1, b"")) == "comment":
            comment = text(inside.get(3, b"").partition(b"\0")[0])
    return Rule(key, int.from_bytes(values.get(3, b""), "big"), comment, expressions)


def _of_legacy(table: legacy.Table) -> Iterator[Base]:
    for hook, priority, drops in table.bases():
        key = ChainKey(table.tool, table.name, hook.upper())
        yield Base(key, "nat" if table.name == "nat" else "filter", hook, priority, drops)


def _legacy_rules(key: ChainKey, table: legacy.Table) -> list[Rule]:
    rules = table.rules(key.name)
    return [Rule(key, number, comment, found) for number, (comment, found) in enumerate(rules, 1)]
