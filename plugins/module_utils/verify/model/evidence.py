# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What packets show: probes, captures, ARP answers, translations. One node's part in one trace."""

from __future__ import annotations

from dataclasses import field
from typing import NamedTuple, Optional

from ...findings.finding import Finding
from ...policy.explanation import PolicyDrops
from .hop import CapturePoint
from .path import Direction
from .record import record

#: Bytes of the usual echo's IP packet: what ``ping`` sends by default. Larger ones test the path's MTU.
SMALL = 84
#: A question that any resolver of a cluster answers: an A record of kubernetes.default.svc.cluster.local (RFC 1035,
#: section 4).
QUESTION = "\x12\x34\x01\0\0\x01\0\0\0\0\0\0" + "".join(
    chr(len(label)) + label for label in ("kubernetes", "default", "svc", "cluster", "local", "")
) + "\0\x01\0\x01"  # fmt: skip
#: The directions in which a packet passes an interface.
IN, OUT = "in", "out"


@record
class VxlanFlow:
    """How many VXLAN packets passed ``device`` of ``node`` IN or OUT, by the underlay's addresses and the VNI."""

    device: str
    direction: str
    source: str
    destination: str
    vni: int
    packets: int
    node: str = ""


@record
class ProbeResult:
    """One probe's outcome: ``source``, ``target`` and ``scope`` are the report's names for it, ``node`` is where it was
    made; ``size`` is the IP packet's in bytes (icmp only), ``ms`` the round trip of the attempt that succeeded,
    ``attempts`` how many were made. ``failure`` is None where it succeeded; ``denied`` is why policies forbid it, as
    far as that is known."""

    source: str
    target: str
    scope: str
    kind: str
    address: str
    port: Optional[int] = None
    size: Optional[int] = None
    ms: Optional[float] = None
    attempts: int = 0
    ok: bool = False
    failure: Optional[Finding] = None
    node: str = ""
    denied: Optional[Finding] = None


class OuterHeader(NamedTuple):
    """A tunnel packet's: underlay addresses, UDP destination port, VNI."""

    source: str
    destination: str
    port: int
    vni: int


class Packet(NamedTuple):
    """Packets alike: on which ``path``, ``kind`` icmp, tcp or udp; ``large``: more than 500 bytes; inside a
    tunnel with its ``outer`` header. ``partial``: one address and the port are those asked for, the other address is
    not: it was translated, or is another's packet."""

    path: Direction
    kind: str
    large: bool
    source: str
    destination: str
    outer: Optional[OuterHeader] = None
    bad_checksum: bool = False
    partial: bool = False


@record
class Capture:
    """How many such packets passed a point."""

    point: CapturePoint
    packet: Packet
    packets: int


@record
class ArpAnswer:
    """Which MAC addresses claimed ``address`` when ``asked_by``, NODE or a pod, asked for it (RFC 826)."""

    address: str
    asked_by: str
    macs: list[str]


@record
class UnresolvedNeighbor:
    """A neighbor entry that is failed or incomplete, at NODE or in a pod (``owner``)."""

    owner: str
    address: str
    dev: str


@record
class RuleDrop:
    """Packets of the trace that the rule ``handle`` of a chain has dropped; 0 for the chain's policy."""

    family: str
    table: str
    chain: str
    handle: int
    packets: int


@record
class Evidence:
    """One node's part in the trace that bears ``mark``. ``sent``: it was the sender, whose ``probes`` these are.

    ``began`` and ``ended`` (seconds since the epoch) are when it watched; of the sender, from when until when others
    must watch. ``complete``: it saw all there is to see. ``snat_to`` is the address that the source was seen with
    instead of its own, ``dnat_to`` that which was to answer instead of the target; "" for none. ``own_addresses`` are
    the node's. ``policy_drops``: what policies have dropped meanwhile, packets of others among it. ``rule_drops``: by
    which rules of nftables the kernel says that it has dropped the trace's packets.
    """

    node: str
    mark: str
    sent: bool
    began: float
    ended: float
    complete: bool
    probes: list[ProbeResult] = field(default_factory=list)
    captures: list[Capture] = field(default_factory=list)
    arp: list[ArpAnswer] = field(default_factory=list)
    unresolved: list[UnresolvedNeighbor] = field(default_factory=list)
    snat_to: str = ""
    dnat_to: str = ""
    own_addresses: list[str] = field(default_factory=list)
    policy_drops: list[PolicyDrops] = field(default_factory=list)
    rule_drops: list[RuleDrop] = field(default_factory=list)
