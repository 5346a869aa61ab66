# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that a run of verification found, and which of it are failures. docs/verify-report.md has the JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple

from ...findings.codes import Code
from ...findings.finding import Finding
from ...policy.explanation import PolicyState
from ..cluster.api import Cluster, Node, Pod
from ..cluster.policies import Policies
from ..cluster.policies import bypassed as bypassed_by
from ..model.answer import NodeAnswer, Vtep
from ..model.check import Check
from ..model.evidence import IN, OUT, ProbeResult, VxlanFlow
from ..model.record import record
from ..model.trace import Fault, Trace
from . import cluster as cluster_checks


class Count(NamedTuple):
    """How many probes arrived, of how many, and how many of the others policies forbid."""

    ok: int
    total: int
    denied: int = 0


class Coverage(NamedTuple):
    """How many of all pairs of the workload's pods, and of the nodes that they are on, were probed; how many others
    each pod probed at least, and by how many it was."""

    from_each_pod: int
    to_each_pod: int
    pod_pairs: int
    all_pod_pairs: int
    node_pairs: int
    all_node_pairs: int


class Tunnel(NamedTuple):
    """VXLAN packets between two nodes, by their addresses and VNI: how many left, how many came in at the other end."""

    sender: str
    receiver: str
    source: str
    destination: str
    vni: int
    sent: int
    received: int


class Failure(NamedTuple):
    """What failed: a Check, a ProbeResult or a Trace, None for the run itself. ``finding`` says why; ``trace`` is the
    number of the trace that explains it, whose ``fault`` stands beside; ``ends`` are the nodes (or addresses) at both
    ends of a probe or trace."""

    failed: Check | ProbeResult | Trace | None
    finding: Finding | None
    fault: Fault | None = None
    trace: int | None = None
    ends: tuple[str, ...] = ()


@record
class Report:
    """``ok``: every check holds, every probe arrived or is forbidden by policies, every traced path is healthy.
    ``vteps`` and ``policies`` (of those that enforce any) are by node, ``summary`` by scope."""

    ok: bool
    namespace: str
    nodes: list[Node]
    pods: list[Pod]
    vteps: dict[str, list[Vtep]]
    checks: list[Check]
    probes: list[ProbeResult]
    flows: list[VxlanFlow]
    summary: dict[str, Count]
    coverage: Coverage
    tunnels: list[Tunnel]
    traces: list[Trace]
    failures: list[Failure]
    policies: dict[str, PolicyState] = field(default_factory=dict)


def report(
    cluster: Cluster,
    answers: Mapping[str, NodeAnswer],
    namespace: str,
    port: int,
    tunnel: bool,
    traces: list[Trace] | None = None,
    sample: int = 0,
    library: str = "",
    policies: Policies | None = None,
) -> Report:
    """Judge a run.

    answers  by node
    tunnel   whether packets between nodes should travel as VXLAN
    traces   those of paths on which probes failed
    sample   how many others each source probed at most, 0 for all
    library  the version of the library that the nodes should have; without it, that of most of them
    policies those of the API, where nodes enforce any
    """
    results = [result for node in sorted(answers) for result in answers[node].results]
    bypassed = _forbid(results, policies) if policies else []
    checks = [
        *cluster_checks.of_api(cluster, namespace),
        *cluster_checks.of_nodes(cluster, answers, namespace, port, sample, tunnel, library),
    ]
    total = Counter(result.scope for result in results)
    good = Counter(result.scope for result in results if result.ok)
    denied = Counter(result.scope for result in results if result.denied)
    traces = traces or []
    failures = _failures(checks, results, traces, cluster)
    failures += bypassed
    if not results:
        failures.append(Failure(None, Finding(Code.NOTHING_PROBED, "", namespace)))
    return Report(
        ok=not failures,
        namespace=namespace,
        nodes=cluster.nodes,
        pods=cluster.pods,
        vteps={node: answer.vteps for node, answer in answers.items()},
        checks=checks,
        probes=results,
        flows=[flow for node in sorted(answers) for flow in answers[node].flows],
        summary={scope: Count(good[scope], total[scope], denied[scope]) for scope in total},
        coverage=_coverage(cluster, results, namespace),
        tunnels=_tunnels(cluster, answers),
        traces=traces,
        failures=failures,
        policies={node: answer.policy for node, answer in answers.items() if answer.policy},
    )


def _forbid(results: list[ProbeResult], policies: Policies) -> list[Failure]:
    """Enter which lost probes policies forbid; those that arrived nevertheless are failures."""
    found = []
    for result in results:
        denied, certain = policies.verdict(result)
        if denied and not result.ok:
            result.denied = denied
        elif denied and certain:
            found.append(Failure(result, bypassed_by(result, denied)))
    return found


def _coverage(cluster: Cluster, results: list[ProbeResult], namespace: str) -> Coverage:
    pods = {pod.address: pod for pod in cluster.workload(namespace)}
    by_name = {pod.name: pod for pod in pods.values()}
    probed = {(result.source, result.address) for result in results}
    pairs = {(source, address) for source, address in probed if source in by_name and address in pods}
    nodes = {(by_name[source].node, pods[address].node) for source, address in pairs}
    busy = {pod.node for pod in pods.values()}
    sent, reached = Counter(source for source, _address in pairs), Counter(address for _source, address in pairs)
    return Coverage(
        from_each_pod=min((sent[name] for name in by_name), default=0),
        to_each_pod=min((reached[address] for address in pods), default=0),
        pod_pairs=len(pairs),
        all_pod_pairs=len(pods) * (len(pods) - 1),
        node_pairs=len({(one, other) for one, other in nodes if one != other}),
        all_node_pairs=len(busy) * (len(busy) - 1),
    )


def _tunnels(cluster: Cluster, answers: Mapping[str, NodeAnswer]) -> list[Tunnel]:
    names = {node.address: node.name for node in cluster.nodes}
    came: Counter[tuple[str, str, str, int]] = Counter()
    for node, answer in answers.items():
        for flow in answer.flows:
            if flow.direction == IN:
                came[node, flow.source, flow.destination, flow.vni] += flow.packets
    tunnels = []
    for node in sorted(answers):
        for flow in answers[node].flows:
            if flow.direction == OUT and flow.destination in names:
                peer, ends = names[flow.destination], (flow.source, flow.destination, flow.vni)
                key = (peer, *ends)
                tunnels.append(Tunnel(node, peer, *ends, flow.packets, came[key]))
    return tunnels


def _failures(checks: list[Check], results: list[ProbeResult], traces: list[Trace], cluster: Cluster) -> list[Failure]:
    found = [Failure(check, check.finding) for check in checks if not check.ok]
    numbers: dict[tuple[str, ...], int] = {}
    for number, trace in enumerate(traces):
        ends = trace.source.node, trace.target.node or trace.target.address
        numbers[ends] = number
        if not trace.ok:
            found.append(Failure(trace, trace.finding, trace.fault, number, ends))
    where = {pod.name: pod.node for pod in cluster.pods} | {node.name: node.name for node in cluster.nodes}
    at = {pod.address: pod.node for pod in cluster.pods if pod.address}
    at.update({node.address: node.name for node in cluster.nodes})
    for result in results:
        if not result.ok and not result.denied:
            ends = where.get(result.source, result.node), at.get(result.address, result.address)
            known = numbers.get(ends)
            fault = None if known is None else traces[known].fault
            found.append(Failure(result, result.failure, fault, known, ends))
    return found
