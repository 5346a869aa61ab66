# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Back end host-gw: pods' packets go to the peer as they are, through its address as a router; no tunnel, no overhead.

    route  10.244.1.0/24 via 10.77.0.12 dev eth0

It needs every peer on a network that the node is itself on.
"""

from __future__ import annotations

from ..findings.codes import Code
from .backend import Desired, endpoint, pods_mtu, routed
from .config import Config
from .lease import Lease, LeaseError, Leases
from .underlay import Underlay


def desired(config: Config, leases: Leases, underlay: Underlay) -> Desired:
    """A route for each pod CIDR of each peer. Raises ConfigError for an MTU that cannot work."""
    mtu = pods_mtu(config.backend, leases.own, underlay, 0)
    wanted = Desired([], {}, None, mtu, {})
    for peer in leases.peers:
        routes = [routed(cidr, peer, underlay) for cidr in peer.pod_cidrs]
        if None in routes:
            wanted.refused[peer.name] = _why(peer, routes.index(None), underlay).finding(leases.own.name, peer.name)
        else:
            wanted.peers[peer.name] = [route for route in routes if route]
    return wanted


def _why(peer: Lease, position: int, underlay: Underlay) -> LeaseError:
    version = peer.pod_cidrs[position].version
    address = endpoint(peer, version)
    if address is None:
        return LeaseError(Code.LEASE_OTHER_IP_VERSION, needed=f"IPv{version}", found=[*peer.addresses])
    networks = [f"{network} on {device}" for network, device in underlay.networks]
    return LeaseError(Code.LEASE_NOT_ON_LINK, value=address, networks=networks)
