# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hop of a packet's path, and what is found there."""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import NamedTuple

from ...findings.codes import Code
from ...findings.finding import Finding, Value
from .record import record


class Step(str, Enum):
    """The kinds of hops, in a packet's order; docs/tracing.md explains them. The value is what JSON has."""

    POD = "pod"
    POD_ROUTE = "pod-route"
    POD_NEIGHBOR = "pod-neighbor"
    PORT = "port"
    BRIDGE = "bridge"
    SERVICE = "service"
    FORWARDING = "forwarding"
    FILTER = "filter"
    POLICY = "policy"
    ROUTE = "route"
    RP_FILTER = "rp_filter"
    NAT = "nat"
    DEVICE = "device"
    NEIGHBOR = "neighbor"
    FDB = "fdb"
    WIREGUARD = "wireguard"
    LEASE = "lease"
    UNDERLAY = "underlay"
    WIRE = "wire"
    INPUT = "input"
    DELIVER = "deliver"
    NODE = "node"
    OUTSIDE = "outside"
    # of a node's checks alone
    CNI = "cni"
    IPAM = "ipam"
    SUBNET_ENV = "subnet.env"

    def __str__(self) -> str:
        return self.value


class Verdict(str, Enum):
    """On a hop: as desired, broken, perhaps the cause, or not inspected."""

    OK = "ok"
    BROKEN = "broken"
    SUSPECT = "suspect"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


#: The ``owner`` of a capture point in the node's own network namespace.
NODE = "node"


class CapturePoint(NamedTuple):
    """Where a packet is captured: ``owner`` of the network namespace (NODE, or a pod's name), the link there, and
    whether it is captured coming ``in`` or going ``out``."""

    owner: str
    device: str
    direction: str


@record
class Hop:
    """One hop on ``node``: of which kind, and how it is. ``name`` is the object's, as its tools call it; ``actual`` and
    ``desired`` show its state to people. No code reads these three.

    ``finding`` is the fault of a broken hop, ``suspected`` all that may lose packets here, ``unlikely`` what does so on
    a healthy node, too, ``notes`` what is worth knowing and no fault. ``consequence``: the fault is an effect of
    another hop's. ``evidence``: what packets showed. ``capture_points``: where a packet that passes here is seen;
    ``seen``: how many were, None where nothing was captured.

    What a hop leads to, as far as its kind has it: ``peer``, a node; ``device`` that it sends by; ``destination``, the
    IP address asked for, ``next_hop`` the router to it; ``pod`` whose kernel decides, "" for the node's; ``udp_port``
    of the tunnel.
    """

    node: str
    step: Step
    name: str
    actual: str = ""
    desired: str = ""
    verdict: Verdict = Verdict.OK
    finding: Finding | None = None
    suspected: list[Finding] = field(default_factory=list)
    unlikely: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    consequence: bool = False
    evidence: Finding | None = None
    capture_points: list[CapturePoint] = field(default_factory=list)
    seen: int | None = None
    peer: str = ""
    device: str = ""
    destination: str = ""
    next_hop: str = ""
    pod: str = ""
    udp_port: int = 0

    def fail(self, code: Code, subject: str, consequence: bool = False, /, **parameters: Value) -> Hop:
        """Enter a fault, perhaps as the ``consequence`` of another; the first one stays."""
        if self.verdict != Verdict.BROKEN:
            self.verdict, self.consequence = Verdict.BROKEN, consequence
            self.finding = Finding(code, self.node, subject, parameters)
        return self

    def suspect(self, code: Code, subject: str, /, **parameters: Value) -> Hop:
        """Enter what may be a fault."""
        self.suspected.append(Finding(code, self.node, subject, parameters))
        if self.verdict == Verdict.OK:
            self.verdict = Verdict.SUSPECT
        return self

    def convict(self, evidence: Finding | None) -> Hop:
        """Packets accuse what is suspected here, the first of it."""
        found = [*self.suspected, *self.unlikely]
        self.verdict, self.finding, self.suspected, self.evidence = Verdict.BROKEN, found[0], found[1:], evidence
        return self

    @property
    def capture_point(self) -> str:
        """Where packets are looked for here, for people."""
        if not self.capture_points:
            return f"{self.name} on {self.node}"
        owner, device, _direction = self.capture_points[0]
        return f"{device} of {self.node if owner == NODE else owner}"
