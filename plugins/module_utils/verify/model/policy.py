# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node's policies do, as its podnetd says or as it lies on disk (agent/policies/answers.py)."""

from __future__ import annotations

from dataclasses import field
from typing import Optional

from ...findings.finding import Finding
from ...policy.reason import Ports, Reason
from .record import record


@record
class PolicyOrigin:
    """Where it is known from: ``source`` "podnetd" or "disk"; ``time`` in seconds since the epoch; ``in_force``: the
    kernel's table has been brought there; ``following``: what changes in the API is known at once."""

    source: str
    time: float
    in_force: bool
    following: bool


@record
class PolicyJudgement:
    """What one ``direction`` does to a flow, by the policies of ``pod`` ("" for an address of no known pod), see
    policy/explain.py."""

    direction: str
    accepted: bool
    reason: Reason
    policies: list[str] = field(default_factory=list)
    rule: int = 0
    allowed: list[Ports] = field(default_factory=list)
    pod: str = ""


@record
class PolicyFlow:
    """A connection of ``kind`` icmp, tcp or udp between two addresses, and what this node decides of it.
    ``translated``: ``port`` is the one to which this node translates the port of the Service that is asked about."""

    source: str
    target: str
    kind: str
    port: int
    judgements: list[PolicyJudgement]
    translated: bool = False


@record
class PolicyDrift:
    """A difference of the kernel's table from the policies."""

    action: str
    subject: str
    detail: str = ""


@record
class PolicyDrops:
    """Packets that a ``chain`` of the table has dropped, and the policies that are its reason: none where the packets'
    address was of no known pod."""

    chain: str
    policies: list[str]
    packets: int


@record
class PolicyState:
    """Of a node that enforces policies; without ``origin`` it is not known which. ``findings``: why they may not be in
    force."""

    origin: Optional[PolicyOrigin] = None
    flows: list[PolicyFlow] = field(default_factory=list)
    drift: list[PolicyDrift] = field(default_factory=list)
    drops: list[PolicyDrops] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
