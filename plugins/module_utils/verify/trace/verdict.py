# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on a path: the state of its hops and the evidence of packets, put together.

State comes first: a hop that is not as desired is named, whatever the packets did. Then packets: where they were seen
for the last time, and where they should have come next.
"""

from __future__ import annotations

from ...findings.codes import Code
from ...findings.finding import Finding
from ..model.endpoint import Endpoint
from ..model.evidence import Evidence, ProbeResult
from ..model.hop import Step, Verdict
from ..model.judged import NAMES
from ..model.path import Path
from ..model.state import NodeState
from ..model.trace import Fault, Trace
from . import localize, round_trip
from .hops import netfilter
from .hops import policy as policy_hops


def judge(source: Endpoint, target: Endpoint, states: list[NodeState]) -> Trace:
    """The traced packet, from its nodes' states and what they saw of it."""
    paths = round_trip.walk(source, target, states)
    end, seen_as = round_trip.final(source, target, states)
    gathered = [state.evidence for state in states if state.evidence]
    probes = [result for one in gathered for result in one.probes]
    late = [one for one in gathered if missed(one, gathered, probes)]
    by_node = {one.node: one for one in gathered if one not in late}
    localize.count(paths, by_node)
    forbidden = policy_hops.forbidden(states, seen_as, end.address)
    for probe in probes:
        probe.denied = forbidden.get(probe.kind) if probe.scope == "path" and not probe.ok else None
    telling = [probe for probe in probes if not probe.denied]  # what policies drop shows nothing
    fault = round_trip.first_fault(paths) or localize.fault(paths, by_node, telling)
    if not probes:
        fault = fault or _by_rules(paths)
    ok = fault is None and all(probe.ok for probe in telling if probe.scope in ("path", "service"))
    if fault:
        for state in states:
            if state.evidence and state.node == fault.hop.node:
                netfilter.prove(fault.hop, state.evidence.rule_drops, state.chains)
    if fault and fault.hop.step == Step.POLICY:
        policy_hops.prove(
            fault.hop, [drops for one in gathered if one.node == fault.hop.node for drops in one.policy_drops]
        )
    notes = _notes(paths, fault)
    if not ok:
        notes += [Finding(Code.TRACE_WINDOW_MISSED, one.node, one.node) for one in late]
    return Trace(source, target, ok, fault, paths, probes, notes)


def _by_rules(paths: list[Path]) -> Fault | None:
    """Where nothing was sent: the first rule that ends every kind of packet, by the nodes' own evaluation."""
    for path in paths:
        for hop in path.hops:
            first = hop.suspected[0] if hop.suspected else None
            if first and first.code == Code.PACKET_DROPPED and first.parameters["packets"] == [*NAMES.values()]:
                return Fault(path, hop.convict(None))
    return None


def missed(one: Evidence, gathered: list[Evidence], probes: list[ProbeResult]) -> bool:
    """Whether a node did not look from the first packet to the last: it saw none though some passed, or the clocks say
    so. Who has seen everything needed not look on."""
    if one.sent or one.complete:
        return False
    if not one.captures and any(probe.ok for probe in probes if probe.scope == "path"):
        return True
    return any(other.began < one.began or one.ended < other.ended for other in gathered if other.sent)


def _notes(paths: list[Path], fault: Fault | None) -> list[Finding]:
    """What else is wrong on the paths, or may be when something is."""
    found = [note for path in paths for hop in path.hops for note in hop.notes]
    if fault is None:
        return [*dict.fromkeys(found)]
    for path in paths:
        for hop in path.hops:
            if hop is fault.hop or hop.verdict not in (Verdict.BROKEN, Verdict.SUSPECT):
                continue
            found += [hop.finding] if hop.finding else hop.suspected[:1]
    return [each for each in dict.fromkeys(found) if each != fault.hop.finding]
