# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Back end wireguard: pods' packets travel encrypted in UDP between the nodes, identified by their public keys.

    route  10.244.1.0/24 dev flannel-wg                          the peer's pods are behind the tunnel;
    peer   AbC…= endpoint 10.77.0.12:51820                       who has this key has these addresses,
           allowed ips 10.244.1.0/24, 10.77.0.12/32              and is reached there

``mode`` says over which IP version, as flannel's does: "separate" carries IPv4 pods over IPv4 and IPv6 pods over IPv6,
each by a device of its own; "auto", "ipv4" and "ipv6" have one device for both, over IPv4 where both nodes have it, or
over that version alone.
"""

from __future__ import annotations

from typing import NamedTuple

from ..findings.codes import Code
from ..ipam.ip import version_of
from ..netlink.address import Address
from ..netlink.link import Link
from ..netlink.objects import KernelObject
from ..netlink.route import Route
from ..netlink.wireguard import Peer, Wireguard, join_endpoint
from .backend import ALIAS, ROUTE_PROTOCOL, Desired, endpoint, pods_mtu
from .config import Backend, Config, ConfigError
from .lease import Lease, LeaseError, Leases
from .overhead import WIREGUARD
from .underlay import Underlay
from .wireguard_key import Key


class _Device(NamedTuple):
    """A device: its name, its UDP port, the IP versions of the pods that it carries and of the underlay addresses that
    may be a peer's endpoint, the preferred one first."""

    name: str
    port: int
    pods: tuple[int, ...]
    underlay: tuple[int, ...]


def desired(config: Config, leases: Leases, underlay: Underlay) -> Desired:
    """The devices, and for each peer its end of the tunnel and the routes to its pods.

    Raises ConfigError when the MTU cannot work, the node has no address of an IP version that it needs, or its lease
    reports another key than its own to the peers.
    """
    key = Key(config.backend.private_key_file)
    if leases.own.public_key not in (None, key.public):
        raise ConfigError(
            f"leases: {leases.own.name}, this node: public_key: {leases.own.public_key} is not that of the key in "
            f"{key.path}, {key.public}: run site.yml to send this one to the peers"
        )
    devices = _devices(config.backend, leases.own)
    mtu = pods_mtu(config.backend, leases.own, underlay, max(WIREGUARD[max(each.underlay)] for each in devices))
    own: list[KernelObject] = []
    for device in devices:
        own += [
            Link(device.name, "wireguard", mtu=mtu, up=True, alias=ALIAS),
            Wireguard(device.name, key.public, device.port, key.private),
        ]
        # the source of what the node itself sends to pods of its peers
        own += [
            Address(device.name, f"{cidr.address()}/{32 if cidr.version == 4 else 128}")
            for cidr in leases.own.pod_cidrs
            if cidr.version in device.pods
        ]
    wanted = Desired(own, {}, devices[0].name, mtu, {}, key)
    for peer in leases.peers:
        try:
            wanted.peers[peer.name] = _peer(config.backend, devices, peer)
        except LeaseError as error:
            wanted.refused[peer.name] = error.finding(leases.own.name, peer.name)
    return wanted


def _devices(backend: Backend, own: Lease) -> list[_Device]:
    pods = tuple(cidr.version for cidr in own.pod_cidrs)
    have = tuple(version for version in (4, 6) if endpoint(own, version))
    modes = {
        "separate": [
            _Device(name, port, (version,), (version,))
            for name, port, version in (("flannel-wg", backend.port, 4), ("flannel-wg-v6", backend.port + 1, 6))
            if version in pods
        ],
        "auto": [_Device("flannel-wg", backend.port, pods, have)],
        "ipv4": [_Device("flannel-wg", backend.port, pods, (4,))],
        "ipv6": [_Device("flannel-wg", backend.port, pods, (6,))],
    }
    for device in modes[backend.mode]:
        for version in device.underlay:
            if version not in have:
                raise ConfigError(
                    f"backend.mode: {backend.mode} needs an IPv{version} address of {own.name}, this node: "
                    f"its lease has {', '.join(own.addresses)}"
                )
    return modes[backend.mode]


def _peer(backend: Backend, devices: list[_Device], peer: Lease) -> list[KernelObject]:
    """The objects for ``peer``. Raises LeaseError if the peer cannot be served."""
    if peer.public_key is None:
        raise LeaseError(Code.LEASE_KEY_MISSING)
    found: list[KernelObject] = []
    carried = {version for device in devices for version in device.pods}
    for device in devices:
        cidrs = [cidr for cidr in peer.pod_cidrs if cidr.version in device.pods]
        address = next((each for each in (endpoint(peer, version) for version in device.underlay) if each), None)
        if cidrs and address is None:
            needed = [f"IPv{version}" for version in device.underlay]
            raise LeaseError(Code.LEASE_OTHER_IP_VERSION, needed=needed, found=[*peer.addresses])
        if not cidrs or address is None:
            continue
        # its own addresses too: it answers pods with them, which it does not masquerade
        nodes = [f"{each}/{128 if ':' in each else 32}" for each in peer.addresses if version_of(each) in device.pods]
        found.append(
            Peer(
                device.name,
                peer.public_key,
                join_endpoint(address, device.port),
                [*map(str, cidrs), *nodes],
                backend.persistent_keepalive,
            )
        )
        found += [Route(str(cidr), device.name, protocol=ROUTE_PROTOCOL, type="unicast") for cidr in cidrs]
    if not found:
        needed = [f"IPv{version}" for version in sorted(carried)]
        raise LeaseError(Code.LEASE_NO_COMMON_IP_VERSION, needed=needed, found=[*map(str, peer.pod_cidrs)])
    return found
