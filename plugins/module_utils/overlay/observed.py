# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the overlay has on the node: the kernel objects that are ours to decide about, and no others.

Ours are the links with our alias and the one that bears the wanted device's name; on them all addresses but the
kernel's own, all permanent neighbours and forwarding entries; the routes with our protocol number. What stands in
the place of a wanted object is ours as well, whoever made it.
"""

from __future__ import annotations

from typing import Any

from ..netlink import address as addresses
from ..netlink import link as links
from ..netlink import neighbour as neighbours
from ..netlink import route as routes
from ..netlink.channel import Channel
from ..netlink.objects import KernelObject
from .backend import ALIAS, ROUTE_PROTOCOL


class Observed:
    """The node's links and addresses, read once."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.links = links.dump(channel)
        self.names = {link.index: link.name for link in self.links}
        self.addresses = addresses.dump(channel, self.names)

    def ours(self, desired: list[KernelObject]) -> list[KernelObject]:
        """The overlay's actual objects, to compare with ``desired``."""
        wanted = {thing.key() for thing in desired}
        found: list[KernelObject] = []
        for link in self.links:
            if link.key() in wanted or link.alias == ALIAS:
                found += [link, *self._on(link, wanted)]
        for route in routes.dump(self.channel, self.names):
            if route.protocol == ROUTE_PROTOCOL or route.key() in wanted:
                found.append(route)
        return found

    def _on(self, link: links.Link, wanted: set[tuple[Any, ...]]) -> list[KernelObject]:
        """What stands on one of our links."""
        found: list[KernelObject] = [
            each for each in self.addresses if each.dev == link.name and (each.scope != "link" or each.key() in wanted)
        ]
        for each in neighbours.dump(self.channel, self.names, index=link.index):
            if each.state == "permanent" or each.key() in wanted:
                found.append(each)
        found += [
            each
            for each in neighbours.dump_fdb(self.channel, self.names, index=link.index)
            if each.state == "permanent" or each.key() in wanted
        ]
        return found
