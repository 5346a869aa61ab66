# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Back end host-gw: pods' packets go to the peer as they are, through its address as a router; no tunnel, no overhead.

    route  10.244.1.0/24 via 10.77.0.12 dev eth0

It needs every peer on a network that the node is itself on.
"""

from __future__ import annotations

from .backend import Desired, endpoint, pods_mtu, routed
from .config import Config
from .lease import Lease, Leases
from .underlay import Underlay


def desired(config: Config, leases: Leases, underlay: Underlay) -> Desired:
    """A route for each pod CIDR of each peer. Raises ConfigError for an MTU that cannot work."""
    mtu = pods_mtu(config.backend, leases.own, underlay, 0)
    wanted = Desired([], {}, None, mtu, {})
    for peer in leases.peers:
        routes = [routed(cidr, peer, underlay) for cidr in peer.pod_cidrs]
        if None in routes:
            wanted.refused[peer.name] = _reason(peer, routes.index(None), underlay)
        else:
            wanted.peers[peer.name] = [route for route in routes if route]
    return wanted


def _reason(peer: Lease, position: int, underlay: Underlay) -> str:
    cidr = peer.pod_cidrs[position]
    address = endpoint(peer, cidr.version)
    if address is None:
        return f"addresses: {cidr} needs an IPv{cidr.version} address of the node; it has {', '.join(peer.addresses)}"
    networks = ", ".join(f"{network} on {device}" for network, device in underlay.networks)
    return f"address: {address} is on no network of this node ({networks}): host-gw needs one, vxlan does not"
