# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many of a node's pod addresses are reserved: host-local's directories, counted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from .ip import parse_address
from .prefix import Prefix


class Usage(NamedTuple):
    """A pod CIDR, how many of its addresses are reserved, and how many pods can have."""

    pod_cidr: Prefix
    reserved: int
    room: int

    @property
    def full(self) -> bool:
        return self.reserved >= self.room


def usage(pod_cidrs: Iterable[Prefix], addresses: Iterable[str]) -> list[Usage]:
    """The usage of each pod CIDR by these reserved ``addresses`` ("10.244.1.2")."""
    numbers = [parse_address(address) for address in addresses]
    return [
        Usage(cidr, sum(cidr.holds(version, number) for version, number in numbers), _room(cidr)) for cidr in pod_cidrs
    ]


def reserved(directory: str) -> list[str]:
    """The addresses reserved in any network; ``directory`` has one directory per network. Empty without one."""
    found = []
    for network in _names(directory):
        found += [name for name in _names(os.path.join(directory, network)) if _is_address(name)]
    return found


def _room(cidr: Prefix) -> int:
    """All but the network's own address, the gateway's and, in IPv4, the broadcast address (``ranges.py``)."""
    return cidr.last - cidr.first - (2 if cidr.version == 4 else 1)


def _is_address(name: str) -> bool:
    try:
        parse_address(name)
    except ValueError:
        return False
    return True


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
