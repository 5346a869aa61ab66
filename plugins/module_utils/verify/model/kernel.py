# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel objects as they travel: the values of ``netlink``'s objects, by the names that ``ip -j`` has for them.

None means *not known* in an actual object, *whatever is there* in a desired one.
"""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, Optional, Union

from .record import record

Scalar = Union[str, int, bool, None]


@record
class LinkState:
    """A network interface. ``kind`` is rtnetlink's ("bridge", "veth", "vxlan"; "" for hardware), ``mtu`` in bytes,
    ``master`` the bridge that it is a port of ("" for none), ``data`` the kind's values, ``port`` those as a bridge's
    port; ``operstate`` after RFC 2863 ("UP", "DOWN", "LOWERLAYERDOWN", …)."""

    OBJECT: ClassVar[str] = "link"
    name: str
    kind: Optional[str] = None
    mac: Optional[str] = None
    mtu: Optional[int] = None
    up: Optional[bool] = None
    master: Optional[str] = None
    alias: Optional[str] = None
    data: dict[str, Scalar] = field(default_factory=dict)
    port: dict[str, Scalar] = field(default_factory=dict)
    operstate: Optional[str] = None
    index: int = 0
    peer_index: Optional[int] = None
    noarp: bool = False


@record
class AddressState:
    """``address`` with its prefix length on the link ``dev``; ``ip`` is the address alone."""

    OBJECT: ClassVar[str] = "address"
    dev: str
    address: str
    broadcast: Optional[str] = None
    scope: Optional[str] = None

    @property
    def ip(self) -> str:
        return self.address.partition("/")[0]


@record
class RouteState:
    """``dst`` is a prefix, ``protocol`` a number (rtnetlink.h, RTPROT_*), ``type`` unicast, local, blackhole, …."""

    OBJECT: ClassVar[str] = "route"
    dst: str
    table: int
    metric: Optional[int] = None
    dev: Optional[str] = None
    gateway: Optional[str] = None
    onlink: Optional[bool] = None
    scope: Optional[str] = None
    src: Optional[str] = None
    protocol: Optional[int] = None
    type: Optional[str] = None
    mtu: Optional[int] = None
    advmss: Optional[int] = None


@record
class NeighborState:
    """The neighbor entry for the IP address ``dst`` on ``dev``; ``state`` permanent, reachable, failed, …."""

    OBJECT: ClassVar[str] = "neighbour"
    dev: str
    dst: str
    mac: Optional[str] = None
    state: Optional[str] = None


@record
class FdbState:
    """A tunnel device's FDB entry: frames to ``mac`` go to the VTEP ``dst``."""

    OBJECT: ClassVar[str] = "fdb"
    dev: str
    mac: str
    dst: str
    state: Optional[str] = None


@record
class WireguardState:
    """A WireGuard device's own key and UDP port."""

    OBJECT: ClassVar[str] = "wireguard"
    dev: str
    public_key: Optional[str] = None
    port: Optional[int] = None


@record
class WireguardPeerState:
    """A WireGuard device's peer: ``endpoint`` as address:port, ``keepalive`` in seconds."""

    OBJECT: ClassVar[str] = "peer"
    dev: str
    public_key: str
    endpoint: Optional[str] = None
    allowed_ips: Optional[list[str]] = None
    keepalive: Optional[int] = None


KernelState = Union[LinkState, AddressState, RouteState, NeighborState, FdbState, WireguardState, WireguardPeerState]


@record
class PolicyRule:
    """A policy routing rule (ip-rule(8)). ``missing``: it is one of the kernel's own and not there. ``action`` is
    "table" (look up ``table``), blackhole, unreachable or prohibit; ``sport`` and ``dport`` are "80" or "80-90".

    The packets that ``mark``, ``protocol`` and the ports single out beyond addresses take a lookup of their own."""

    version: int
    priority: int
    table: int
    action: str = "table"
    source: str = ""
    destination: str = ""
    iif: str = ""
    oif: str = ""
    mark: int = 0
    mask: int = 0
    protocol: str = ""
    sport: str = ""
    dport: str = ""
    missing: bool = False

    @property
    def selector(self) -> str:
        """What a packet must have besides its addresses and interfaces, as ``ip route get`` takes it; "" for nothing.
        Of a range of ports the first."""
        words = (
            ("mark", f"{self.mark:#x}" if self.mark else ""),
            ("ipproto", self.protocol),
            ("sport", self.sport.partition("-")[0]),
            ("dport", self.dport.partition("-")[0]),
        )
        return " ".join(f"{word} {value}" for word, value in words if value)

    def __str__(self) -> str:
        """The rule as ``ip rule`` writes it."""
        mask = f"/{self.mask:#x}" if self.mask != 0xFFFFFFFF else ""
        words = [
            ("pref", str(self.priority)),
            ("from", self.source),
            ("to", self.destination),
            ("iif", self.iif),
            ("oif", self.oif),
            ("fwmark", f"{self.mark:#x}{mask}" if self.mark else ""),
            ("ipproto", self.protocol),
            ("sport", self.sport),
            ("dport", self.dport),
        ]
        target = f"table {TABLE_NAMES.get(self.table, self.table)}" if self.action == "table" else self.action
        return " ".join([*(f"{word} {value}" for word, value in words if value), target])

    @property
    def fix(self) -> str:
        """The command that removes the rule, or adds the one that is missing."""
        return f"ip {'-6 ' if self.version == 6 else ''}rule {'add' if self.missing else 'delete'} {self}"


#: /etc/iproute2/rt_tables: the kernel's own.
TABLE_NAMES = {255: "local", 254: "main", 253: "default"}


@record
class Lookup:
    """The kernel's routing decision for packets to ``target``: from the node or pod itself (``iif`` ""), or from
    ``source`` when they come in by ``iif``. ``route`` is None where the kernel refuses, with ``error`` (strerror).
    ``rule``: for the packets that this policy rule singles out, None for all others."""

    target: str
    source: Optional[str] = None
    iif: str = ""
    route: Optional[RouteState] = None
    error: str = ""
    rule: Optional[PolicyRule] = None


@record
class BridgeFdbEntry:
    """By which ``port`` a bridge sends frames to ``mac``; ``state`` permanent, static or learned."""

    bridge: str
    port: str
    mac: str
    state: str


@record
class BaseChain:
    """A base chain of others, of nftables or iptables' own tables (``family`` "iptables-legacy"), that may drop,
    translate or rewrite packets. ``policy_drops``: its policy does; ``dropping``: the chains reached from it whose
    rules do; ``devices`` those that it is bound to (family netdev)."""

    family: str
    table: str
    chain: str
    hook: str
    drops: bool = False
    policy_drops: bool = False
    translates: bool = False
    rewrites: bool = False
    devices: list[str] = field(default_factory=list)
    dropping: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.family} {self.table} {self.chain}"


@record
class Qdisc:
    """A queueing discipline on ``dev`` that may drop, rewrite, delay or reorder packets."""

    dev: str
    kind: str


@record
class XfrmPolicy:
    """An IPsec policy (ip-xfrm(8)) that blocks (``drops``) or transforms packets at ``hook`` (input, output,
    forward); ``source`` and ``destination`` are prefixes."""

    source: str
    destination: str
    direction: str
    hook: str
    drops: bool

    def __str__(self) -> str:
        """The policy as ``ip xfrm policy`` writes it."""
        return f"src {self.source} dst {self.destination} dir {self.direction}"
