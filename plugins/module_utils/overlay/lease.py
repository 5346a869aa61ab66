# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases: what a node must know of a peer to reach its pods, and their admission.

    {"leases": [{"name": "node2", "address": "10.77.0.12", "pod_cidrs": ["10.244.1.0/24"],
                 "vtep_mac": "02:…", "addresses": ["10.77.0.12", "fd00::12"]}, …]}

``vtep_mac`` may be left out (it is derived from the name) and so may ``addresses`` (then ``address`` is the only one).
``public_key`` is the node's WireGuard key, for the back end of that name.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, NamedTuple

from ..findings.codes import Code
from ..findings.finding import Finding, Value
from ..ipam.ip import parse_address, to_text, width
from ..ipam.prefix import Prefix, parse_prefix
from ..netlink.wireguard import pack_key, unpack_key
from .config import Config, ConfigError, node_name
from .mac import mac_of, parse_mac

#: Characters of an invalid lease that a finding cites: leases are of any length.
LONGEST = 300
KEYS = ("name", "address", "pod_cidrs", "vtep_mac", "addresses", "public_key")


class LeaseError(ValueError):
    """A lease is refused. ``code`` and ``parameters`` say why, and cite at most a line of the lease."""

    def __init__(self, code: Code, **parameters: Value) -> None:
        self.code = code
        self.parameters = {name: _line(value) for name, value in parameters.items()}
        shown = "; ".join(f"{name}: {value}" for name, value in self.parameters.items())
        super().__init__(f"{code} ({shown})")

    def finding(self, node: str, peer: str) -> Finding:
        """That ``node`` refuses the lease of ``peer``."""
        return Finding(self.code, node, peer, self.parameters)


class Taken(LeaseError):
    """A lease claims what another has; ``other`` names that one."""

    def __init__(self, code: Code, other: str, **parameters: Value) -> None:
        super().__init__(code, other=other, **parameters)
        self.other = other


class Lease(NamedTuple):
    """A node of the overlay: its name, the underlay address that tunnels end at, its pod CIDRs (one for each IP version
    at most), its VTEP's MAC, all its underlay addresses (one for each IP version at most), and its WireGuard key, None
    where it has none."""

    name: str
    address: str
    pod_cidrs: tuple[Prefix, ...]
    vtep_mac: str
    addresses: tuple[str, ...]
    public_key: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The same as JSON-ready data; ``from_json`` reads it back."""
        key = {} if self.public_key is None else {"public_key": self.public_key}
        return {
            "name": self.name,
            "address": self.address,
            "pod_cidrs": [str(cidr) for cidr in self.pod_cidrs],
            "vtep_mac": self.vtep_mac,
            "addresses": list(self.addresses),
            **key,
        }

    @staticmethod
    def from_json(data: object) -> Lease:
        """As ``parse``."""
        return parse(data)


class Leases(NamedTuple):
    """The result of admission: this node's own lease, the peers to serve, and why the others are refused, by name."""

    own: Lease
    peers: list[Lease]
    refused: dict[str, Finding]


def parse(data: object) -> Lease:
    """``data`` (decoded JSON) as a Lease. Raises LeaseError."""
    if not isinstance(data, dict):
        raise _invalid(f"{data!r} is not an object with the keys {', '.join(KEYS)}")
    for key in data:
        if key not in KEYS:
            raise _invalid(f"{key}: is not a key of a lease: it knows {', '.join(KEYS)}")
    try:
        name = node_name(data.get("name"), "name")
        address = _address(data.get("address"), "address")
        addresses = _addresses(address, data.get("addresses"))
        mac = data.get("vtep_mac")
        return Lease(
            name,
            address,
            _pod_cidrs(data.get("pod_cidrs")),
            mac_of(name, "vtep") if mac is None else _mac(mac),
            addresses,
            _public_key(data.get("public_key")),
        )
    except ConfigError as error:
        raise _invalid(str(error)) from None


class Book:
    """What is taken already, so that each further lease is checked against all before it in O(log n)."""

    def __init__(self, config: Config, own: Lease | None) -> None:
        self.networks = {network.version: network for network in config.networks}
        #: Where no node's own address is, with the kind of the addresses that are there.
        self.others = [(network, "pod") for network in config.networks]
        self.others += [(network, "service") for network in config.service_networks]
        self.underlay = config.underlay_networks
        self.names: set[str] = set()
        self.addresses: dict[str, str] = {}
        self.macs: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.blocks: dict[int, tuple[list[int], list[tuple[Prefix, str]]]] = {4: ([], []), 6: ([], [])}
        if own:
            self.enter(own)

    def enter(self, lease: Lease) -> None:
        """Takes the lease in, all of it or nothing. Raises LeaseError; Taken where another is in its way."""
        if lease.name in self.names:
            raise Taken(Code.LEASE_TAKEN, lease.name, key="name", value=lease.name)
        for address in lease.addresses:
            self._check_underlay(address)
            if address in self.addresses:
                raise Taken(Code.LEASE_TAKEN, self.addresses[address], key="address", value=address)
        for key, value, taken in (
            ("vtep_mac", lease.vtep_mac, self.macs),
            ("public_key", lease.public_key, self.keys),
        ):
            if value in taken:
                raise Taken(Code.LEASE_TAKEN, taken[value], key=key, value=value)
        places = [self._place(cidr) for cidr in lease.pod_cidrs]
        self.names.add(lease.name)
        self.macs[lease.vtep_mac] = lease.name
        if lease.public_key is not None:
            self.keys[lease.public_key] = lease.name
        for address in lease.addresses:
            self.addresses[address] = lease.name
        for cidr, place in zip(lease.pod_cidrs, places):
            starts, entries = self.blocks[cidr.version]
            starts.insert(place, cidr.first)
            entries.insert(place, (cidr, lease.name))

    def leave(self, lease: Lease) -> None:
        """Lets go of a lease that was entered."""
        self.names.discard(lease.name)
        self.macs.pop(lease.vtep_mac, None)
        if lease.public_key is not None:
            self.keys.pop(lease.public_key, None)
        for address in lease.addresses:
            self.addresses.pop(address, None)
        for cidr in lease.pod_cidrs:
            starts, entries = self.blocks[cidr.version]
            place = bisect_left(starts, cidr.first)
            del starts[place], entries[place]

    def _check_underlay(self, address: str) -> None:
        """Raises LeaseError for an address that cannot be a node's own."""
        version, number = parse_address(address)
        for network, kind in self.others:
            if network.holds(version, number):
                raise LeaseError(Code.LEASE_ADDRESS_IN_NETWORK, value=address, kind=kind, network=str(network))
        if self.underlay and not any(network.holds(version, number) for network in self.underlay):
            raise LeaseError(Code.LEASE_ADDRESS_OUTSIDE, value=address, networks=[*map(str, self.underlay)])

    def _place(self, cidr: Prefix) -> int:
        """Where it belongs among the blocks of its IP version. Raises LeaseError where it cannot be; Taken."""
        network = self.networks.get(cidr.version)
        if network is None or not network.covers(cidr):
            networks = [*map(str, self.networks.values())]
            raise LeaseError(Code.LEASE_POD_CIDR_OUTSIDE, value=str(cidr), networks=networks)
        starts, entries = self.blocks[cidr.version]
        place = bisect_left(starts, cidr.first)
        for other, name in entries[max(place - 1, 0) : place + 1]:
            if other.overlaps(cidr):
                raise Taken(Code.LEASE_POD_CIDR_OVERLAPS, name, value=str(cidr), taken=str(other))
        return place


def _line(value: Value) -> Value:
    return f"{value[: LONGEST - 1]}…" if isinstance(value, str) and len(value) > LONGEST else value


def _invalid(error: str) -> LeaseError:
    return LeaseError(Code.LEASE_INVALID, error=error)


def _address(value: object, key: str) -> str:
    try:
        version, number = parse_address(value)  # type: ignore[arg-type]
    except ValueError as error:
        raise _invalid(f"{key}: {error}") from None
    first = number >> (width(version) - 8)
    unusable = number == 0 or (first >= 224 or first == 127 if version == 4 else first == 0xFF or number == 1)
    if unusable:
        raise _invalid(f"{key}: {value} cannot be a node's address: it is unspecified, loopback, multicast or reserved")
    return to_text(version, number)


def _addresses(address: str, value: object) -> tuple[str, ...]:
    if value is None:
        return (address,)
    if not isinstance(value, list):
        raise _invalid(f"addresses: {value!r} is not a list of IP addresses")
    addresses = tuple(_address(item, "addresses") for item in value)
    if address not in addresses:
        raise _invalid(f"addresses: {value!r} does not hold the address {address}")
    if len({":" in item for item in addresses}) != len(addresses):
        raise _invalid(f"addresses: {value!r} has more than one of an IP version")
    return addresses


def _pod_cidrs(value: object) -> tuple[Prefix, ...]:
    if not isinstance(value, list) or not value:
        raise _invalid(f'pod_cidrs: {value!r} is not a list with a pod CIDR such as "10.244.1.0/24"')
    try:
        cidrs = tuple(map(parse_prefix, value))
    except ValueError as error:
        raise _invalid(f"pod_cidrs: {error}") from None
    if len(cidrs) > 1 and len({cidr.version for cidr in cidrs}) != len(cidrs):
        raise _invalid(f"pod_cidrs: {value!r} has more than one of an IP version")
    return cidrs


def _mac(value: object) -> str:
    try:
        return parse_mac(value)
    except ValueError as error:
        raise _invalid(f"vtep_mac: {error}") from None


def _public_key(value: object) -> str | None:
    try:
        return None if value is None else pack_key(unpack_key(value))
    except ValueError as error:
        raise _invalid(f"public_key: {error}") from None
