# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node answers to verification: its probes, captures, checks, and what comparisons between nodes need."""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any, Optional

from ...overlay.lease import Lease
from ...policy.explanation import PolicyState
from ...records.codec import from_json
from .check import Check
from .evidence import ProbeResult, VxlanFlow
from .kernel import Scalar
from .record import record
from .state import Attachment


@record
class Vtep:
    """A VXLAN device: ``port`` is UDP's, ``local`` its end of the tunnel, ``mtu`` in bytes, ``addresses`` with
    length."""

    device: str
    mac: Optional[str] = None
    vni: Scalar = None
    port: Scalar = None
    local: Scalar = None
    mtu: Optional[int] = None
    up: Optional[bool] = None
    addresses: list[str] = field(default_factory=list)


@record
class About:
    """``time`` is the node's clock in seconds since the epoch, ``library`` the installed version ("" for none), ``mtu``
    the pods' in bytes, ``peers`` how many the node knows, ``addresses`` by what others know the node: IP and MAC
    addresses of the underlay's interface, the tunnel's MAC address."""

    node: str
    time: float
    library: str
    lease: Optional[Lease] = None
    mtu: Optional[int] = None
    peers: int = 0
    addresses: list[str] = field(default_factory=list)


@record
class NodeAnswer:
    """One node's part in a run of verification. ``about`` is None where the checks were not asked for, ``policy`` on a
    node that enforces no policies, too."""

    node: str
    results: list[ProbeResult] = field(default_factory=list)
    flows: list[VxlanFlow] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    vteps: list[Vtep] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    about: Optional[About] = None
    policy: Optional[PolicyState] = None


def answer_from(values: dict[str, Any]) -> NodeAnswer:
    """The answer in what the module ``probe`` returned. Raises ValueError where it is another version's."""
    names = {each.name for each in fields(NodeAnswer)}
    return from_json(NodeAnswer, {key: value for key, value in values.items() if key in names})
