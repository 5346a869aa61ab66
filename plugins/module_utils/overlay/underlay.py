# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The underlay: the interface that carries the tunnels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..ipam.ip import parse_address
from ..ipam.prefix import Prefix, parse_network_of
from ..netlink.address import Address
from ..netlink.link import Link
from .config import ConfigError
from .lease import Lease


class Underlay(NamedTuple):
    """The interface with this node's address: its name, its MTU in bytes, and the networks directly connected to the
    interfaces with the node's addresses, each with the interface's name."""

    device: str
    mtu: int
    networks: tuple[tuple[Prefix, str], ...]

    def reach(self, address: str) -> str | None:
        """The interface on whose own network ``address`` is, None where a router lies between."""
        version, number = parse_address(address)
        return next((device for network, device in self.networks if network.holds(version, number)), None)


def find(own: Lease, links: Iterable[Link], addresses: Iterable[Address]) -> Underlay:
    """The underlay of the node with lease ``own``. Raises ConfigError when none of its interfaces has the address."""
    by_name = {link.name: link for link in links}
    found = {}
    networks = []
    addresses = list(addresses)
    for each in addresses:
        address = each.address.partition("/")[0]
        if address in own.addresses:
            found[address] = each.dev
    for each in addresses:
        if each.dev in found.values() and each.scope == "global":
            networks.append((parse_network_of(each.address)[0], each.dev))
    device = found.get(own.address)
    if device is None or device not in by_name:
        there = (
            ", ".join(sorted(f"{each.address} on {each.dev}" for each in addresses if each.scope == "global")) or "none"
        )
        raise ConfigError(
            f"address: {own.address} of {own.name}, this node, is on none of its interfaces; there is {there}"
        )
    return Underlay(device, by_name[device].mtu or 1500, tuple(networks))
