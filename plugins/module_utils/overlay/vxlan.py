# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Back end vxlan: pods' packets travel in UDP between the nodes' VTEPs (RFC 7348).

No flooding and no learning: the node makes in advance the entries that ARP and flooding would find out.

    route      10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink    the peer's pods are behind its VTEP,
    neighbour  10.244.1.0 lladdr 02:… dev flannel.1 permanent       which has this MAC address
    fdb        02:… dev flannel.1 dst 10.77.0.12 self permanent     and is reached at that underlay address
"""

from __future__ import annotations

from ..findings.codes import Code
from ..ipam.ip import parse_address
from ..ipam.prefix import Prefix
from ..netlink.address import Address
from ..netlink.link import Link
from ..netlink.neighbour import Fdb, Neighbour
from ..netlink.objects import KernelObject
from ..netlink.route import Route
from .backend import ALIAS, ROUTE_PROTOCOL, Desired, endpoint, pods_mtu, routed
from .config import Config
from .lease import Lease, LeaseError, Leases
from .overhead import VXLAN
from .underlay import Underlay


def desired(config: Config, leases: Leases, underlay: Underlay) -> Desired:
    """The device, and each peer's route, neighbor entry and FDB entry. Raises ConfigError for an invalid MTU."""
    version, _number = parse_address(leases.own.address)
    mtu = pods_mtu(config.backend, leases.own, underlay, VXLAN[version])
    device = f"flannel.{config.backend.vni}"
    # an address of the tunnel's own: the source of what the node itself sends to pods of its peers
    source = [Address(device, f"{cidr.address()}/{32 if cidr.version == 4 else 128}") for cidr in leases.own.pod_cidrs]
    wanted = Desired([_link(device, config, leases.own, underlay, mtu), *source], {}, device, mtu, {})
    for peer in leases.peers:
        vtep = endpoint(peer, version)
        if vtep is None:
            lacks = LeaseError(Code.LEASE_OTHER_IP_VERSION, needed=f"IPv{version}", found=[*peer.addresses])
            wanted.refused[peer.name] = lacks.finding(leases.own.name, peer.name)
        else:
            wanted.peers[peer.name] = _peer(device, peer, vtep, underlay if config.backend.direct_routing else None)
    return wanted


def _peer(device: str, peer: Lease, vtep: str, direct: Underlay | None) -> list[KernelObject]:
    """The objects for ``peer``: a plain route if ``direct`` connects the two, else the tunnel to its ``vtep``."""
    routes = [routed(cidr, peer, direct) if direct else None for cidr in peer.pod_cidrs]
    found: list[KernelObject] = []
    for cidr, route in zip(peer.pod_cidrs, routes):
        found += [route] if route else _tunnelled(device, cidr, peer)
    if None in routes:
        found.append(Fdb(device, peer.vtep_mac, vtep))
    return found


def _link(device: str, config: Config, own: Lease, underlay: Underlay, mtu: int) -> Link:
    data = {
        "id": config.backend.vni,
        "link": underlay.device,
        "local": own.address,
        "port": config.backend.port,
        "learning": False,
    }
    return Link(device, "vxlan", mac=own.vtep_mac, mtu=mtu, up=True, alias=ALIAS, data=data)


def _tunnelled(device: str, cidr: Prefix, peer: Lease) -> list[KernelObject]:
    gateway = cidr.address()
    return [
        Neighbour(device, gateway, peer.vtep_mac),
        Route(f"{gateway}/{cidr.length}", device, gateway, onlink=True, protocol=ROUTE_PROTOCOL, type="unicast"),
    ]
