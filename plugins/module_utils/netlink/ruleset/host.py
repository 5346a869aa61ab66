# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This node as rules see it: its routes, links and addresses, read from the kernel as they are asked for."""

from __future__ import annotations

from .. import address as addresses
from .. import link as links
from .. import route as routes
from ..channel import Channel
from ..wire import NetlinkError, attr_u32, pack_ip, unpack_ip
from .packet import Packet
from .walk import Route

RTN_UNICAST = 1
FRA_MARK = 16  # linux/rtnetlink.h RTA_MARK, what a lookup's policy rules are asked with
#: RTN_* in their order, from 1 on.
_KINDS = ("unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit")


class KernelNode:
    """The node whose network namespace the ``channel`` (NETLINK_ROUTE) was opened in."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._links = {link.name: link for link in links.dump(channel)}
        self._names = {link.index: link.name for link in self._links.values()}
        self._addresses = addresses.dump(channel, self._names)
        self._found: dict[tuple[str, str, str, int], routes.Route | None] = {}

    def route(self, packet: Packet) -> Route:
        """The kernel's own decision (RTM_GETROUTE)."""
        found = self._lookup(packet.destination, packet.source, packet.iif, packet.mark)
        return Route(bool(found and found.type == "local"), (found.dev if found else "") or "")

    def kind_of(self, address: bytes) -> int:
        found = self._lookup(unpack_ip(address))
        kind = (found.type or "unicast") if found else "unreachable"
        return _KINDS.index(kind) + 1 if kind in _KINDS else RTN_UNICAST

    def interface_to(self, address: bytes) -> str:
        found = self._lookup(unpack_ip(address))
        return (found.dev or "") if found else ""

    def index_of(self, link: str) -> int:
        return self._links[link].index if link in self._links else 0

    def link_kind(self, link: str) -> str:
        return (self._links[link].kind or "") if link in self._links else ""

    def address_on(self, link: str, destination: bytes) -> bytes:
        found = self._lookup(unpack_ip(destination))
        if found and found.dev == link and found.src:
            return pack_ip(found.src)
        own = [pack_ip(each.address.partition("/")[0]) for each in self._addresses if each.dev == link]
        usable = [each for each in own if len(each) == len(destination) and each[:2] != b"\xfe\x80"]
        return usable[0] if usable else b""

    def _lookup(self, target: str, source: str = "", iif: str = "", mark: int = 0) -> routes.Route | None:
        key = target, source, iif, mark
        if key not in self._found:
            more = attr_u32(FRA_MARK, mark) if mark else b""
            index = self.index_of(iif)
            given = source if iif else None
            try:
                self._found[key] = routes.lookup(self._channel, target, self._names, source=given, iif=index, more=more)
            except NetlinkError:
                self._found[key] = None
        return self._found[key]
