# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ranges from which pods get addresses: host-local's rules for what they may be.

A range set is an ordered list of ranges of one family; an attachment gets one address from each set.
"""

from __future__ import annotations

from .ip import Subnet, parse_address, parse_interface, to_text, width


class Range:
    """Addresses ``start`` to ``end`` (numbers) of ``subnet``, without ``gateway``."""

    __slots__ = ("end", "gateway", "start", "subnet")

    def __init__(self, subnet: Subnet, start: int, end: int, gateway: int) -> None:
        self.subnet = subnet
        self.start = start
        self.end = end
        self.gateway = gateway

    @property
    def size(self) -> int:
        """How many addresses there are, the gateway included when it lies within."""
        return self.end - self.start + 1

    def __contains__(self, address: tuple[int, int]) -> bool:
        return address[0] == self.subnet.family and self.start <= address[1] <= self.end

    def __str__(self) -> str:
        family = self.subnet.family
        return f"{to_text(family, self.start)}-{to_text(family, self.end)}"


class RangeSet(list):
    """The ranges from which one address is taken. An address's *position* counts through them in order."""

    @property
    def family(self) -> int:
        """4 or 6."""
        return self[0].subnet.family

    @property
    def size(self) -> int:
        """The number of positions."""
        return sum(part.size for part in self)

    def position(self, address: tuple[int, int]) -> int | None:
        """Where `address` lies, or None."""
        base = 0
        for part in self:
            if address in part:
                return base + address[1] - part.start
            base += part.size
        return None

    def at(self, position: int) -> tuple[int, Range]:
        """The address at `position` and the range that it lies in."""
        for part in self:
            if position < part.size:
                return part.start + position, part
            position -= part.size
        raise IndexError(position)

    def kept(self) -> dict[int, str]:
        """The positions that are never given away, each with whose the address is.

        A range may begin or end with its subnet's own address (in IPv6 that of all its routers, RFC 4291 2.6.1) or, in
        IPv4, the broadcast address (RFC 1122 3.2.1.3).
        """
        found: dict[int | None, str] = {}
        for part in self:
            found[self.position((self.family, part.subnet.first))] = "its subnet's own"
            if self.family == 4:
                found[self.position((self.family, part.subnet.last))] = "its subnet's broadcast address"
            found[self.position((self.family, part.gateway))] = "subnet's gateway"
        return {position: whose for position, whose in found.items() if position is not None}

    def __str__(self) -> str:
        return ",".join([str(part) for part in self])


def parse_range(item: dict) -> Range:
    """One range as configured: ``subnet``, and where wanted ``rangeStart``, ``rangeEnd``, ``gateway``.

    Raises ValueError with host-local's message for an invalid range.
    """
    if not item.get("subnet"):
        raise ValueError('missing field "subnet" in a range')
    family, number, length = parse_interface(item["subnet"])
    host = width(family) - length
    subnet = Subnet(family, number >> host << host, length)
    if number != subnet.first:
        raise ValueError(
            f"Network has host bits set. For a subnet mask of length {length} the network address is "
            f"{to_text(family, subnet.first)}"
        )
    if host < 2:
        raise ValueError(f"Network {subnet} too small to allocate from")
    # The last IPv4 address is the broadcast address; IPv6 has none.
    start = _within(item, "rangeStart", subnet, subnet.first + 1)
    end = _within(item, "rangeEnd", subnet, subnet.last - 1 if family == 4 else subnet.last)
    gateway = _within(item, "gateway", subnet, subnet.first + 1)
    if start > end:
        raise ValueError(f"rangeStart {to_text(family, start)} is after rangeEnd {to_text(family, end)}")
    return Range(subnet, start, end, gateway)


def _within(item: dict, key: str, subnet: Subnet, default: int) -> int:
    if not item.get(key):
        return default
    address = parse_address(item[key])
    if address not in subnet:
        raise ValueError(f"{key} {item[key]} not in network {subnet}")
    return address[1]


def parse_sets(sets: list[list[dict]]) -> list[RangeSet]:
    """Range sets as configured, checked against one another. ValueError names those that overlap or mix families."""
    parsed: list[RangeSet] = []
    for number, items in enumerate(sets):
        if not items:
            raise ValueError(f"range set {number} is empty")
        ranges = RangeSet(parse_range(item) for item in items)
        if any(part.subnet.family != ranges.family for part in ranges):
            raise ValueError(f"mixed address families in range set {number}")
        for index, part in enumerate(ranges):
            for other in ranges[:index]:
                if _overlap(part, other):
                    raise ValueError(f"subnets {part} and {other} overlap")
        for index, other_set in enumerate(parsed):
            if any(_overlap(part, other) for part in ranges for other in other_set):
                raise ValueError(f"range set {number} overlaps with {index}")
        parsed.append(ranges)
    return parsed


def _overlap(one: Range, other: Range) -> bool:
    return one.subnet.family == other.subnet.family and one.start <= other.end and other.start <= one.end
