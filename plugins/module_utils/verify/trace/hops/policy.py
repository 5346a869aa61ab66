# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policies of a pod, at either end of a path: whether they let its connection pass, and if not, which and why."""

from __future__ import annotations

from collections.abc import Iterable

from ....findings.codes import Code
from ....findings.finding import Finding, Value
from ....policy.explanation import PolicyDrops, PolicyFlow, PolicyJudgement, PolicyState, Ports, Reason
from ....policy.model import LAST_PORT, PROTOCOLS
from ...model.endpoint import Endpoint
from ...model.hop import Hop, Step, Verdict
from ...model.path import Path
from ...model.state import NodeState
from .node_view import NodeView

TABLE = "table inet podnet_policy"
DISK = "disk"
NAMES = {number: name for name, number in PROTOCOLS.items()}
EGRESS, INGRESS = "egress", "ingress"


def policy(view: NodeView, path: Path, direction: str, seen_as: str, to_service: bool = False) -> list[Hop]:
    """The hop of one direction, on the node of the pod that it is about; none where no policies are enforced.

    ``seen_as``: the source's address on its packets. Behind a Service (``to_service``) it is about the pod's port where
    the node knows that, else only what lets nothing pass at all is a fault."""
    state = view.state.policy
    if state is None:
        return []
    source, target = path.source, path.target
    pod, peer = (source, target) if direction == EGRESS else (target, source)
    hop = Hop(view.node, Step.POLICY, f"{direction} policies of {pod.name}", desired="accepts the connection")
    judged = _judged(state, seen_as, target.address, direction)
    if not judged:
        hop.actual = "not known"
        return [hop.suspect(Code.POLICY_UNKNOWN, TABLE)] if state.origin is None else []
    behind = [each for each in judged if each[0].translated]
    _enter_verdict(hop, pod.address, peer, behind or judged, to_service and not behind)
    doubts = _doubts(view)
    if hop.verdict == Verdict.BROKEN:
        hop.suspected += doubts
    else:
        hop.notes += doubts
    for each in drift(view):
        hop.fail(each.code, each.subject, **each.parameters)
    return [hop]


def drift(view: NodeView) -> list[Finding]:
    """What of the kernel's table is not as the policies say."""
    found = view.state.policy.drift if view.state.policy else []
    pending = {each.subject: f"{each.action} {each.detail}".rstrip() for each in found}
    return [Finding(Code.POLICY_DRIFTED, view.node, subject, {"pending": text}) for subject, text in pending.items()]


def forbidden(states: Iterable[NodeState], source: str, target: str) -> dict[str, Finding]:
    """Why policies of any of these nodes drop packets between two addresses, by the kind of these."""
    found: dict[str, Finding] = {}
    for state in states:
        for flow in state.policy.flows if state.policy else ():
            dropped = next((judged for judged in flow.judgements if not judged.accepted), None)
            if dropped and (flow.source, flow.target) == (source, target):
                own, peer = (source, target) if dropped.direction == EGRESS else (target, source)
                found.setdefault(flow.kind, denial(state.node, dropped, dropped.pod or own, peer, [traffic(flow)]))
    return found


def prove(hop: Hop, drops: Iterable[PolicyDrops]) -> None:
    """Enter what the table has counted meanwhile: drops by the policies that the hop names."""
    if hop.finding is None:
        return
    named = hop.finding.parameters.get("policies", [])
    for each in drops:
        if list(each.policies) == named:
            hop.evidence = Finding(Code.POLICY_DROPS_COUNTED, hop.node, each.chain, {"packets": each.packets})


def denial(node: str, judged: PolicyJudgement, pod: str, peer: str, traffic: list[str]) -> Finding:
    """Why a connection is dropped. ``traffic``: what it is of."""
    there: dict[str, Value] = {"direction": judged.direction, "peer": peer, "traffic": traffic}
    if judged.reason == Reason.ADDRESS_UNKNOWN:
        return Finding(Code.POLICY_ADDRESS_UNKNOWN, node, pod, there)
    namespace, _slash, name = judged.policies[0].rpartition("/") if judged.policies else ("", "", "")
    there.update(policies=list(judged.policies), namespace=namespace, name=name, allowed=ports(judged.allowed))
    if judged.reason == Reason.RULE:
        return Finding(Code.POLICY_RULE_DENIES, node, pod, {**there, "rule": judged.rule})
    return Finding(Code.POLICY_DENIED, node, pod, there)


def ports(found: Iterable[Ports]) -> list[str]:
    """Ports for people: "TCP 80", "UDP 8000-8080", "TCP" for all."""
    words = []
    for each in found:
        several = "" if each.first == each.last else f"-{each.last}"
        numbers = "" if (each.first, each.last) == (0, LAST_PORT) else f" {each.first}{several}"
        words.append(f"{NAMES.get(each.protocol, 'everything')}{numbers}")
    return words


def traffic(flow: PolicyFlow) -> str:
    """A flow's kind for people."""
    return "ICMP" if flow.kind == "icmp" else f"{flow.kind.upper()} {flow.port}"


def _judged(state: PolicyState, source: str, target: str, direction: str) -> list[tuple[PolicyFlow, PolicyJudgement]]:
    found = (each for each in state.flows if (each.source, each.target) == (source, target))
    return [(flow, one) for flow in found for one in flow.judgements if one.direction == direction]


def _enter_verdict(
    hop: Hop, address: str, peer: Endpoint, judged: list[tuple[PolicyFlow, PolicyJudgement]], to_service: bool
) -> None:
    """A fault where no packet to the port passes, or where a rule denies it explicitly; a protocol that the policies
    do not speak of is none."""
    dropped = [(flow, one) for flow, one in judged if not one.accepted]
    passing = [one for flow, one in judged if one.accepted and flow.kind != "icmp"]
    hop.actual = shown(dropped[0][1] if dropped else judged[0][1])
    if not dropped:
        return
    first = next((one for flow, one in dropped if flow.kind != "icmp"), dropped[0][1])
    found = denial(hop.node, first, first.pod or address, str(peer), [traffic(flow) for flow, _one in dropped])
    explicit = any(one.reason == Reason.RULE and flow.kind != "icmp" for flow, one in dropped)
    if (to_service and first.allowed) or (passing and not explicit):
        hop.notes.append(found)
    else:
        hop.fail(found.code, found.subject, **found.parameters)


def shown(judged: PolicyJudgement) -> str:
    """A direction's decision, and what it is by."""
    verb = "accepted" if judged.accepted else "dropped"
    if judged.reason == Reason.RULE:
        return f"{verb} by rule {judged.rule} of {', '.join(judged.policies)}"
    if judged.reason == Reason.NO_RULE:
        return f"{verb}: isolated by {', '.join(judged.policies)}, no rule accepts"
    return {
        Reason.NOT_ISOLATED: "accepted: not isolated",
        Reason.TO_ITSELF: "accepted: to itself",
        Reason.ADDRESS_UNKNOWN: "dropped: not a known pod's address",
    }[judged.reason]


def _doubts(view: NodeView) -> list[Finding]:
    """Why the node may go by other policies than those that the API has."""
    state = view.state.policy
    if state is None or state.origin is None:
        return []
    if state.origin.source == DISK:
        age = max(0, int(view.state.time - state.origin.time))
        return [Finding(Code.POLICY_STALE, view.node, "podnetd", {"age": age})]
    late = (Code.POLICY_OUT_OF_SYNC, Code.POLICY_NOT_SYNCED, Code.POLICY_WATCH_LOST)
    return [each for each in state.findings if each.code in late]
