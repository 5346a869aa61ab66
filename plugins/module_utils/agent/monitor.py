# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's events about what is ours: which of them contradict the desired state of the overlay.

An event that says what is desired anyway, most of them our own, is dropped. Pods come and go on a node all the time,
and so do neighbors of its other interfaces: the kernel drops most of what is not about our objects (event_filter.py).
"""

from __future__ import annotations

import socket
from struct import error as StructError

from ..nat.cluster import SETS
from ..nat.table import TABLE
from ..netlink import address as addresses
from ..netlink import bpf, nftables
from ..netlink import link as links
from ..netlink import neighbour as neighbours
from ..netlink import route as routes
from ..netlink.channel import Channel
from ..netlink.objects import KernelObject
from ..netlink.wire import NETLINK_NETFILTER, S32, number, parse, text
from ..overlay.backend import ALIAS, ROUTE_PROTOCOL
from ..overlay.reconcile import Overlay
from . import event_filter

#: linux/rtnetlink.h: RTNLGRP_LINK, NEIGH, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE, IPV4_NETCONF, IPV6_NETCONF
GROUPS = (1, 3, 5, 7, 9, 11, 24, 25)
NFNLGRP_NFTABLES = 7
#: The table of policies as it stands in an event.
POLICIES = b"podnet_policy\0"
NETCONFA_IFINDEX, NETCONFA_FORWARDING, NETCONFA_RP_FILTER = 1, 2, 3
ALL = -1


class Monitor:
    """Listens in the network namespace in which it was made. ``ours``: the ports of our own channels."""

    def __init__(self, ours: set[int]) -> None:
        self.ours = ours
        self.kernel = Channel()
        self.kernel.enlarge()
        for group in GROUPS:
            self.kernel.subscribe(group)
        self.packets = Channel(NETLINK_NETFILTER)
        self.packets.subscribe(NFNLGRP_NFTABLES)
        #: Whether a table of ours was deleted, and with it what it held of pods; until who sees to that says otherwise.
        self.deleted = False
        #: Whether another process has changed the table of policies; until who sees to that says otherwise.
        self.policies = False
        self._overlay: Overlay | None = None
        self._names: dict[int, str] = {}

    def watch(self, overlay: Overlay) -> None:
        """From now on events are compared with this look at the node."""
        self._overlay = overlay
        observed = overlay.observed
        self._names = dict(observed.names) if observed else {}
        bpf.attach(self.kernel.socket, self._filter(overlay))

    def watch_all(self) -> None:
        """Until the next ``watch``, for then the device may be another."""
        bpf.attach(self.kernel.socket, event_filter.ALL)

    def _filter(self, overlay: Overlay) -> bytes:
        """The events that matter: all, as long as the device is not there, or nobody knows which it will be."""
        if overlay.wanted is None or overlay.desired is None:
            return event_filter.ALL
        device = overlay.desired.device
        indexes = [index for index, name in self._names.items() if name == device]
        if device and not indexes:
            return event_filter.ALL
        carrier = overlay.wanted.carrier
        heeded = [device, carrier.device, *(name for _network, name in carrier.networks)]
        heeded += [each.name for each in overlay.shared.values() if isinstance(each, links.Link)]
        pods_links = any(name.encode().startswith(event_filter.PODS) for name in heeded if name)
        return event_filter.program(indexes[0] if indexes else 0, pods_links)

    def read_kernel(self) -> list[str]:
        """Why to reconcile, for the log; empty when nothing that arrived matters."""
        events, whole = self.kernel.events()
        reasons = [] if whole else ["events were lost"]
        for kind, port, payload in events:
            if port in self.ours:
                continue
            try:
                reason = self._judge(kind, payload)
            except (LookupError, ValueError, StructError) as error:
                reason = f"unreadable event of type {kind} ({error!r})"
            if reason:
                reasons.append(reason)
        return reasons

    def read_packets(self) -> list[str]:
        """The same of the packet filter."""
        events, whole = self.packets.events()
        reasons = [] if whole else ["events of the packet filter were lost"]
        name = TABLE.name.encode() + b"\0"
        self.policies = self.policies or not whole
        for kind, port, payload in events:
            if port in self.ours:
                continue
            self.policies = self.policies or POLICIES in payload
            if name not in payload:
                continue
            values = parse(payload, nftables.INFO.size)
            if text(values.get(1, b"")) != TABLE.name:
                continue
            self.deleted = self.deleted or kind == nftables.DELTABLE
            if kind in (nftables.NEWSETELEM, nftables.DELSETELEM) and text(values.get(2, b"")) not in SETS:
                continue
            reasons.append(f"{TABLE.title()} was changed")
        return reasons

    def close(self) -> None:
        self.kernel.close()
        self.packets.close()

    def _judge(self, kind: int, payload: bytes) -> str:
        """What the event contradicts, "" for nothing."""
        if kind in (links.RTM_NEWLINK, links.RTM_DELLINK):
            # a bridge's port reports itself under its own family
            return self._link(kind, payload) if payload[0] == socket.AF_UNSPEC else ""
        if self._overlay is None or self._overlay.wanted is None:
            return "an address was added or deleted" if kind in (addresses.RTM_NEWADDR, addresses.RTM_DELADDR) else ""
        if kind in (routes.RTM_NEWROUTE, routes.RTM_DELROUTE):
            return self._route(kind, payload)
        if kind in (neighbours.RTM_NEWNEIGH, neighbours.RTM_DELNEIGH):
            return self._neighbour(kind, payload)
        if kind in (addresses.RTM_NEWADDR, addresses.RTM_DELADDR):
            return self._address(kind, payload)
        return self._sysctl(payload) if kind == event_filter.RTM_NEWNETCONF else ""

    def _link(self, kind: int, payload: bytes) -> str:
        link = links.decode(payload)
        if kind == links.RTM_DELLINK:
            known = self._names.pop(link.index, link.name)
            return f"link {known} was deleted" if self._is_ours(link) else ""
        self._names[link.index] = link.name
        if self._overlay is None or self._overlay.wanted is None:
            return f"link {link.name} was added or changed"
        carrier = self._overlay.wanted.carrier
        if link.name == carrier.device and link.mtu != carrier.mtu:
            return f"link {link.name} was changed"
        wanted = self._wanted(link)
        if wanted is None:
            return f"unexpected link {link.name}" if link.alias == ALIAS else ""
        # what is below a link is a number in an event and a name in what is wanted
        if isinstance(wanted, links.Link) and "link" in wanted.data:
            link.data["link"] = wanted.data["link"]
        return f"link {link.name} was changed" if wanted.differences(link) else ""

    def _is_ours(self, link: links.Link) -> bool:
        overlay = self._overlay
        if overlay is None or overlay.wanted is None:
            return False
        return link.alias == ALIAS or self._wanted(link) is not None or link.name == overlay.wanted.carrier.device

    def _route(self, kind: int, payload: bytes) -> str:
        if payload[4] != routes.RT_TABLE_MAIN:
            return ""
        route = routes.decode(payload, self._names)
        return self._compare(kind == routes.RTM_DELROUTE, route, route.protocol == ROUTE_PROTOCOL)

    def _neighbour(self, kind: int, payload: bytes) -> str:
        name = self._names.get(neighbours.INFO.unpack_from(payload)[1])
        assert self._overlay is not None and self._overlay.desired is not None
        if name is None or name != self._overlay.desired.device:
            return ""
        found = neighbours.decode(payload, self._names)
        if found is None:
            return ""
        return self._compare(kind == neighbours.RTM_DELNEIGH, found, found.state == "permanent")

    def _address(self, kind: int, payload: bytes) -> str:
        assert self._overlay is not None and self._overlay.wanted is not None and self._overlay.desired is not None
        address = addresses.decode(payload, self._names)
        gone = kind == addresses.RTM_DELADDR
        devices = [device for _network, device in self._overlay.wanted.carrier.networks]
        if address.dev in devices and address.scope == "global":
            known = self._overlay.observed.addresses if self._overlay.observed else []
            if gone or not any(each.key() == address.key() for each in known):
                return f"{address.title()} was added or deleted"
            return ""
        return self._compare(gone, address, address.dev == self._overlay.desired.device and address.scope != "link")

    def _sysctl(self, payload: bytes) -> str:
        values = parse(payload, 4)  # struct netconfmsg: the family, padded
        if NETCONFA_IFINDEX not in values:
            return ""
        index = S32.unpack(values[NETCONFA_IFINDEX])[0]
        if index == ALL and NETCONFA_FORWARDING in values and not number(values[NETCONFA_FORWARDING]):
            return "forwarding was turned off"
        assert self._overlay is not None and self._overlay.desired is not None
        device = self._overlay.desired.device
        if device and self._names.get(index) == device and number(values.get(NETCONFA_RP_FILTER, b"\2")) != 2:
            return f"{device}'s reverse path filter was changed"
        return ""

    def _compare(self, gone: bool, thing: KernelObject, ours: bool) -> str:
        """What an object's coming, change or going means; ``ours``: it is the overlay's to decide about."""
        wanted = self._wanted(thing)
        if wanted is None:
            return f"unexpected {thing.title()}" if ours and not gone else ""
        if gone:
            return f"{thing.title()} was deleted"
        return f"{thing.title()} was changed" if wanted.differences(thing) else ""

    def _wanted(self, thing: KernelObject) -> KernelObject | None:
        assert self._overlay is not None and self._overlay.wanted is not None
        key = thing.key()
        return self._overlay.wanted.index.get(key) or self._overlay.shared.get(key)
