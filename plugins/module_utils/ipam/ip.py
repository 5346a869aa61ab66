# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses and subnets as numbers, for the allocation of addresses; without ``ipaddress`` (8 ms to import)."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

TYPE_CHECKING = False  # a type checker takes it for true; importing collections.abc costs time
if TYPE_CHECKING:
    from collections.abc import Iterable


class Subnet:
    """A subnet: ``family`` 4 or 6, ``first`` and ``last`` address as numbers, prefix ``length``."""

    __slots__ = ("family", "first", "last", "length")

    def __init__(self, family: int, first: int, length: int) -> None:
        self.family = family
        self.first = first
        self.length = length
        self.last = first | ((1 << (width(family) - length)) - 1)

    def __contains__(self, address: tuple[int, int]) -> bool:
        return address[0] == self.family and self.first <= address[1] <= self.last

    def __str__(self) -> str:
        return f"{to_text(self.family, self.first)}/{self.length}"


def width(family: int) -> int:
    """The number of bits of an address."""
    return 32 if family == 4 else 128


def version_of(address: str) -> int:
    """The IP version of an address or prefix that is known to be one."""
    return 6 if ":" in address else 4


def by_version(addresses: Iterable[str]) -> dict[int, str]:
    """The first of these addresses or prefixes of each IP version."""
    found: dict[int, str] = {}
    for each in addresses:
        found.setdefault(version_of(each), each)
    return found


def alike(addresses: Iterable[str], other: str) -> str:
    """The first of these addresses or prefixes that is of the IP version of ``other``, "" where none is."""
    for each in addresses:
        if (":" in each) == (":" in other):
            return each
    return ""


def parse_address(text: str) -> tuple[int, int]:
    """``"10.1.2.3"`` → (4, number), ``"fd00::1"`` → (6, number); ValueError for anything else."""
    try:
        if ":" in text:
            return 6, int.from_bytes(inet_pton(AF_INET6, text), "big")
        return 4, int.from_bytes(inet_pton(AF_INET, text), "big")
    except (OSError, TypeError, ValueError):
        raise ValueError(f"{text!r} is not an IP address") from None


def parse_interface(text: object) -> tuple[int, int, int]:
    """``"10.1.2.3/24"`` → (family, number, prefix length); ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not an address with a prefix length")
    address, slash, length = text.partition("/")
    family, number = parse_address(address)
    if not slash or not length.isdecimal() or not length.isascii() or int(length[:4]) > width(family):
        raise ValueError(f"{text!r} is not an address with a prefix length")
    return family, number, int(length)


def parse_subnet(text: str) -> Subnet:
    """A subnet, its host bits cut off."""
    family, number, length = parse_interface(text)
    host = width(family) - length
    return Subnet(family, number >> host << host, length)


def to_text(family: int, number: int) -> str:
    """An address in its canonical form (RFC 5952 for IPv6)."""
    if family == 4:
        return inet_ntop(AF_INET, number.to_bytes(4, "big"))
    return inet_ntop(AF_INET6, number.to_bytes(16, "big"))
