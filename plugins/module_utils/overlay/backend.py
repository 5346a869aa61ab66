# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared by the back ends: the desired state, and plain routes to a peer without tunnel."""

from __future__ import annotations

from typing import NamedTuple

from ..findings.finding import Finding
from ..ipam.ip import alike
from ..ipam.prefix import Prefix
from ..netlink.objects import KernelObject
from ..netlink.route import Route
from .config import Backend, ConfigError
from .lease import Lease
from .underlay import Underlay
from .wireguard_key import Key

#: The route protocol of every route that is ours, by which stale ones differ from foreign ones. Free in iproute2's
#: rt_protos and in linux/rtnetlink.h; to see names: ``echo 112 podnet > /etc/iproute2/rt_protos.d/podnet.conf``.
ROUTE_PROTOCOL = 112
#: The alias of every link that is ours.
ALIAS = "podnet overlay"

#: RFC 791, and RFC 8200 section 5: what every link must carry.
LEAST_MTU = {4: 576, 6: 1280}


class Desired(NamedTuple):
    """A back end's desired state of the node.

    ``own``: the node's own kernel objects; ``peers``: those of each peer, by its name; ``device``: its device's name if
    it has one; ``mtu``: the pods', in bytes; ``refused``: why it cannot serve the other peers, by name;
    ``key``: that of a WireGuard device, whose file comes before the device.
    """

    own: list[KernelObject]
    peers: dict[str, list[KernelObject]]
    device: str | None
    mtu: int
    refused: dict[str, Finding]
    key: Key | None = None

    def objects(self) -> list[KernelObject]:
        """All objects."""
        return [*self.own, *(thing for things in self.peers.values() for thing in things)]


def endpoint(lease: Lease, version: int) -> str | None:
    """The lease's underlay address of IP ``version``, None if it has none."""
    return alike((lease.address, *lease.addresses), "::" if version == 6 else "0.0.0.0") or None


def routed(cidr: Prefix, peer: Lease, underlay: Underlay) -> Route | None:
    """The route to ``cidr`` through the peer's own address, None unless a network connects the two directly."""
    gateway = endpoint(peer, cidr.version)
    device = underlay.reach(gateway) if gateway else None
    if device is None:
        return None
    return Route(str(cidr), device, gateway, onlink=False, protocol=ROUTE_PROTOCOL, type="unicast")


def pods_mtu(backend: Backend, own: Lease, underlay: Underlay, overhead: int) -> int:
    """The pods' MTU: the configured one or the largest that fits. Raises ConfigError for one that cannot work."""
    largest = underlay.mtu - overhead
    mtu = backend.mtu or largest
    least = max(LEAST_MTU[cidr.version] for cidr in own.pod_cidrs)
    if not least <= mtu <= largest:
        room = f"from {least} to {largest}" if least <= largest else f"none fits: pods need {least}"
        raise ConfigError(
            f"backend.mtu: {mtu} does not fit {underlay.device}, whose MTU is {underlay.mtu}, "
            f"with {overhead} bytes of overhead: {room}"
        )
    return mtu
