# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The overlay's actual state on the node: the kernel objects that it owns, and no others.

Ours are the links with our alias and the one with the desired device's name; on them all addresses but the
kernel's own, all permanent neighbours and forwarding entries; the routes with our protocol number. A foreign object
in the place of a desired one is ours as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ipam.prefix import Prefix, parse_network_of
from ..netlink import address as addresses
from ..netlink import link as links
from ..netlink import neighbour as neighbours
from ..netlink import route as routes
from ..netlink import wireguard
from ..netlink.channel import Channel
from ..netlink.objects import KernelObject
from ..netlink.seen import Seen
from ..netlink.wire import NetlinkError
from .backend import ALIAS, ROUTE_PROTOCOL
from .own import BRIDGE_ALIAS

#: The kinds of objects that every peer has.
MANY = (neighbours.Neighbour, neighbours.Fdb, routes.Route)


class Observed:
    """The node's links and addresses, read once. ``former``: an earlier look, so that what it has seen need not be
    decoded again; with ``keep`` this one will be the former of another, after a change of the node."""

    def __init__(self, channel: Channel, former: Observed | None = None, keep: bool = False) -> None:
        self.channel = channel
        self.links = links.dump(channel)
        self.names = {link.index: link.name for link in self.links}
        self.addresses = addresses.dump(channel, self.names)
        renamed = former and any(former.names.get(index, name) != name for index, name in self.names.items())
        known = former.seen if former and not renamed else None
        self.seen: Seen | None = known if keep and known else Seen(known)
        if keep:
            self.forget()
        #: Whether neighbours, forwarding entries and routes are those of the former look; they are not listed then.
        self.unchanged = False

    def forget(self) -> None:
        """What is wanted is other than at the former look: that the kernel says the same means nothing."""
        if self.seen:
            self.seen.outdate()

    def ours(
        self,
        wanted: Mapping[tuple[Any, ...], KernelObject],
        shared: Mapping[tuple[Any, ...], KernelObject] | None = None,
        networks: tuple[Prefix, ...] = (),
    ) -> list[KernelObject]:
        """The overlay's actual objects, to compare with those ``wanted``, by key; of links that it has in common with
        others those ``shared``, by key, and addresses out of the pod ``networks``: an earlier podCIDR's."""
        found: list[KernelObject] = []
        many: list[KernelObject] = []
        for link in self.links:
            if link.alias == ALIAS or link.key() in wanted:
                found += [link, *self._on(link, wanted)]
                many += neighbours.dump(self.channel, self.names, index=link.index, seen=self.seen)
                many += neighbours.dump_fdb(self.channel, self.names, index=link.index, seen=self.seen)
        many += routes.dump(self.channel, self.names, seen=self.seen)
        self.unchanged = self.seen is not None and self.seen.unchanged
        if self.seen:
            self.seen.close()
        if shared is not None:
            found += [*self._shared(shared, networks), *self._left_bridges(shared)]
        return found if self.unchanged else found + [thing for thing in many if _ours(thing) or thing.key() in wanted]

    def all_of_ours(self) -> list[KernelObject]:
        """The objects that the overlay's removal deletes: its own, and a bridge that it made."""
        return [*self.ours({}), *(link for link in self.links if link.alias == BRIDGE_ALIAS)]

    def _shared(
        self, wanted: Mapping[tuple[Any, ...], KernelObject], networks: tuple[Prefix, ...]
    ) -> list[KernelObject]:
        found: list[KernelObject] = [link for link in self.links if link.key() in wanted]
        names = {link.name for link in self.links if link.key() in wanted}
        for each in self.addresses:
            if each.dev in names:
                block, number = parse_network_of(each.address)
                if each.key() in wanted or any(network.holds(block.version, number) for network in networks):
                    found.append(each)
        return found

    def _left_bridges(self, wanted: Mapping[tuple[Any, ...], KernelObject]) -> list[KernelObject]:
        """Bridges that we made and that are wanted no more: their gateway addresses would take what is sent to pods of
        another bridge. One with ports is its pods' until the last of them is gone."""
        left = [link for link in self.links if link.alias == BRIDGE_ALIAS and link.key() not in wanted]
        return [bridge for bridge in left if all(link.master != bridge.name for link in self.links)]

    def _on(self, link: links.Link, wanted: Mapping[tuple[Any, ...], KernelObject]) -> list[KernelObject]:
        """The objects of one of our links."""
        found: list[KernelObject] = [
            each for each in self.addresses if each.dev == link.name and (each.scope != "link" or each.key() in wanted)
        ]
        if link.kind == wireguard.FAMILY:
            found += self._tunnel(link.name)
        return found

    @staticmethod
    def _tunnel(name: str) -> list[KernelObject]:
        try:
            return wireguard.dump(name)
        except NetlinkError as error:
            if wireguard.missing(error):  # gone since the links were read
                return []
            raise


def _ours(thing: Any) -> bool:
    """Whether a neighbour or forwarding entry of a link of ours, or a route, is the overlay's by itself."""
    if isinstance(thing, routes.Route):
        return thing.protocol == ROUTE_PROTOCOL
    return bool(thing.state == "permanent")
