# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's own side with any back end: the pods' bridge, and the route that ends packets to unused pod addresses."""

from __future__ import annotations

from collections.abc import Iterable

from ..cni.spec.names import mac
from ..findings.codes import Code
from ..findings.finding import Finding
from ..netlink.address import Address
from ..netlink.link import Link
from ..netlink.objects import KernelObject
from ..netlink.route import Route
from .backend import ROUTE_PROTOCOL, Desired
from .config import Config
from .lease import Lease

#: The alias of the bridge where we made it. It is not the overlay's alone: the CNI plugin has ports on it.
BRIDGE_ALIAS = "podnet bridge"
#: The metric of the last route to the pod network. A podCIDR as large as the whole network has its own before it.
LAST = 0xFFFF


def fence(config: Config) -> list[KernelObject]:
    """A packet to a pod network's address that no node has ends here, and does not leave by the default route."""
    return [
        Route(str(network), type="unreachable", protocol=ROUTE_PROTOCOL, metric=LAST) for network in config.networks
    ]


def bridge(config: Config, own: Lease, mtu: int, links: Iterable[Link]) -> tuple[list[KernelObject], Finding | None]:
    """The bridge and the pods' gateway addresses on it, as subnet.env names them; and why it cannot be.

    One that is there keeps its MAC address and its MTU, which the pods on it know.
    """
    if config.bridge is None:
        return [], None
    there = next((link for link in links if link.name == config.bridge), None)
    if there is not None and there.kind != "bridge":
        kind = there.kind or "physical"
        return [], Finding(Code.OVERLAY_BRIDGE_KIND, config.node_name, config.bridge, {"kind": kind})
    wanted = Link(config.bridge, "bridge", up=True)
    if there is None:
        # the MAC address that the CNI plugin gives it, by which it sees that all is set
        address = mac("bridge", config.bridge)
        wanted = Link(config.bridge, "bridge", mac=address, mtu=mtu, up=True, alias=BRIDGE_ALIAS)
    return [wanted, *(Address(config.bridge, f"{cidr.address(1)}/{cidr.length}") for cidr in own.pod_cidrs)], None


def with_fence(config: Config, desired: Desired) -> Desired:
    """``desired`` with the objects that every back end needs."""
    return desired._replace(own=[*desired.own, *fence(config)])
