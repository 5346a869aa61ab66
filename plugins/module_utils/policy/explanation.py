# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is told of a node's policies: podnetd writes it as JSON; verify, the trace and podnetctl read it (records)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Optional

from ..findings.finding import Finding


class Reason(str, Enum):
    """Why a direction accepts or drops a connection."""

    #: No policy selects the pod in this direction, or none that decides this.
    NOT_ISOLATED = "not-isolated"
    TO_ITSELF = "to-itself"
    #: A rule accepts, or (of a ClusterNetworkPolicy) denies.
    RULE = "rule"
    #: Policies isolate the pod, and no rule of theirs accepts.
    NO_RULE = "no-rule"
    #: The address is in the node's pod CIDRs, and no pod has it whose policies are in force.
    ADDRESS_UNKNOWN = "address-unknown"


class Ports(NamedTuple):
    """Destination ports ``first`` to ``last``, of an IANA protocol number or ANY_PROTOCOL."""

    protocol: int
    first: int
    last: int


class PolicyOrigin(NamedTuple):
    """Where it is known from: ``source`` "podnetd" or "disk"; ``time`` in seconds since the epoch; ``in_force``: the
    kernel's table has been brought there; ``following``: what changes in the API is known at once."""

    source: str
    time: float
    in_force: bool
    following: bool


class PolicyJudgement(NamedTuple):
    """What one ``direction`` does to a flow. ``policies``: that whose ``rule`` decides, or all that isolate the pod.
    ``allowed``: what these let pass between the two addresses instead, where the flow is dropped. ``pod``: whose
    policies they are, "" for an address of no known pod."""

    direction: str
    accepted: bool
    reason: Reason
    policies: tuple[str, ...] = ()
    rule: int = 0
    allowed: tuple[Ports, ...] = ()
    pod: str = ""


class PolicyFlow(NamedTuple):
    """A connection of ``kind`` icmp, tcp, udp or sctp between two addresses, and what this node decides of it.
    ``translated``: ``port`` is the one to which this node translates the port of the Service that is asked about."""

    source: str
    target: str
    kind: str
    port: int
    judgements: tuple[PolicyJudgement, ...]
    translated: bool = False


class PolicyDrift(NamedTuple):
    """A difference of the kernel's table from the policies."""

    action: str
    subject: str
    detail: str = ""


class PolicyDrops(NamedTuple):
    """Packets that a ``chain`` of the table has dropped, and the policies that are its reason: none where the packets'
    address was of no known pod."""

    chain: str
    policies: tuple[str, ...]
    packets: int


class PolicyState(NamedTuple):
    """Of a node that enforces policies; without ``origin`` it is not known which. ``findings``: why they may not be in
    force."""

    origin: Optional[PolicyOrigin] = None
    flows: tuple[PolicyFlow, ...] = ()
    drift: tuple[PolicyDrift, ...] = ()
    drops: tuple[PolicyDrops, ...] = ()
    findings: tuple[Finding, ...] = ()


class FlowsAnswer(NamedTuple):
    """What a node decides of a connection, for each IP version that both ends have."""

    origin: PolicyOrigin
    flows: tuple[PolicyFlow, ...]


class PeerText(NamedTuple):
    """Pods by a selector (as kubectl takes it, "" for all), in the one ``namespace`` or in those that the selector
    ``namespaces`` finds."""

    pods: str
    namespace: Optional[str] = None
    namespaces: Optional[str] = None


class BlockText(NamedTuple):
    """An ipBlock."""

    cidr: str
    excepts: tuple[str, ...]


class PortText(NamedTuple):
    """Destination ports, or that of a ``name``; ``protocol`` "" for every one."""

    protocol: str
    first: int
    last: int
    name: str


class Matches(NamedTuple):
    """How many addresses a rule's selectors find now, and some of the pods."""

    addresses: int
    pods: tuple[str, ...]


class RuleText(NamedTuple):
    """A policy's rule by its ``number``, from 1 on. ``pods`` and ``blocks`` are None where every address is meant,
    ``ports`` are none for all. ``matches``: what its selectors find now, None without selectors."""

    number: int
    action: str
    pods: Optional[tuple[PeerText, ...]]
    blocks: Optional[tuple[BlockText, ...]]
    ports: tuple[PortText, ...]
    matches: Optional[Matches] = None


class PolicyText(NamedTuple):
    """A policy that selects the pod; its ``tier`` is Admin, NetworkPolicy or Baseline."""

    policy: str
    tier: str
    rules: tuple[RuleText, ...]


class Side(NamedTuple):
    """One direction of a pod, with its policies in their order, and the verdict where none of them has one."""

    isolated: bool
    policies: tuple[PolicyText, ...]
    otherwise: str


class Sides(NamedTuple):
    """Who may reach a pod, and whom it may reach."""

    ingress: Side
    egress: Side


class PodAnswer(NamedTuple):
    """A pod's policies; None where it is none of this node."""

    origin: PolicyOrigin
    pod: str
    addresses: tuple[str, ...]
    policies: Optional[Sides]
