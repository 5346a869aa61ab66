# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Address blocks, strictly parsed, and the relation of two of them."""

from __future__ import annotations

from typing import NamedTuple

from .ip import parse_interface, to_text


class Prefix(NamedTuple):
    """An address block: IP version (4 or 6), first and last address as numbers, prefix length in bits."""

    version: int
    first: int
    last: int
    length: int

    def __str__(self) -> str:
        return f"{to_text(self.version, self.first)}/{self.length}"

    def address(self, offset: int = 0) -> str:
        """The text of the block's address number ``offset``."""
        return to_text(self.version, self.first + offset)

    def covers(self, other: Prefix) -> bool:
        return self.version == other.version and self.first <= other.first and other.last <= self.last

    def holds(self, version: int, number: int) -> bool:
        return self.version == version and self.first <= number <= self.last

    def overlaps(self, other: Prefix) -> bool:
        return self.version == other.version and self.first <= other.last and other.first <= self.last


def parse_prefix(value: object) -> Prefix:
    """``value`` (text such as "10.244.1.0/24") as a Prefix. Raises ValueError with the right value."""
    prefix, number = parse_network_of(value)
    if number != prefix.first:
        raise ValueError(f"{value!r} has host bits set: the block is {prefix}")
    return prefix


def parse_network_of(value: object) -> tuple[Prefix, int]:
    """An interface's address with prefix length ("10.77.0.11/24") as the block that it is in and its number."""
    try:
        version, number, length = parse_interface(value)
    except ValueError:
        raise ValueError(f'{value!r} is not an address block: give one such as "10.244.0.0/16"') from None
    host_bits = (1 << (32 if version == 4 else 128) - length) - 1
    return Prefix(version, number & ~host_bits, number | host_bits, length), number
