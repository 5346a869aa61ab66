# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of a cluster as a whole: what the API says of it, what its nodes say of themselves, and whether both agree."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping

from ...findings.codes import Code
from ...findings.finding import Finding, Value
from ...ipam.ip import parse_address
from ...ipam.prefix import Prefix, parse_prefix
from ..cluster.api import Cluster, Pod
from ..cluster.matrix import DNS, probes
from ..model import runtimes
from ..model.answer import About, NodeAnswer
from ..model.check import Check, CheckName
from ..model.evidence import IN, OUT
from ..model.hop import Step

#: Seconds that nodes' clocks may differ; the nodes are asked within the same seconds, not at the same time.
CLOCK = 10
#: Minor releases that a kubelet may be older than the newest API server.
OLDEST_KUBELET = 3

Answers = Mapping[str, NodeAnswer]


def of_api(cluster: Cluster, namespace: str) -> list[Check]:
    """By the API alone."""
    return [
        *_nodes(cluster),
        *_releases(cluster),
        *_pods(cluster, namespace),
        *_addresses(cluster),
        *_resolver(cluster),
    ]


def of_nodes(
    cluster: Cluster, answers: Answers, namespace: str, port: int, sample: int, tunnel: bool, library: str
) -> list[Check]:
    """By the nodes' answers, each against the API and against the others; see ``report.report`` for what is given."""
    return [
        *_attachments(cluster, answers, namespace),
        *_complete(cluster, answers, namespace, port, sample),
        *_between_nodes(cluster, answers, library),
        *(check for node in sorted(answers) for check in answers[node].checks),
        *(_tunnels(cluster, answers, namespace) if tunnel else []),
    ]


def _check(name: CheckName, subject: str, node: str = "", step: Step | None = None) -> Check:
    """One that passes until ``_fail``."""
    return Check(name, subject, node, step)


def _fail(check: Check, code: Code, **parameters: Value) -> None:
    check.finding = Finding(code, check.node, check.subject, parameters)


def _names(pod: str) -> dict[str, Value]:
    namespace, _slash, name = pod.partition("/")
    return {"namespace": namespace, "name": name}


def _between_nodes(cluster: Cluster, answers: Answers, library: str) -> list[Check]:
    """Clocks, versions, addresses, and what each node says of itself against the API."""
    about = {node: answer.about for node, answer in sorted(answers.items()) if answer.about}
    if not about:
        return []
    return [
        *_libraries(about, library),
        *_clocks(about),
        *_leases(cluster, about),
        *_peers(about, len(cluster.nodes) - 1),
        *_own_addresses(about),
    ]


def _libraries(about: Mapping[str, About], library: str) -> list[Check]:
    """All nodes have this version, without one that of most of them."""
    wanted = library or Counter(entry.library for entry in about.values()).most_common(1)[0][0]
    checks = []
    for node, entry in about.items():
        checks.append(_check(CheckName.SAME_LIBRARY, node, node, Step.CNI))
        if entry.library != wanted:
            _fail(checks[-1], Code.LIBRARY_MISMATCH, actual=entry.library or None, expected=wanted)
    return checks


def _clocks(about: Mapping[str, About]) -> list[Check]:
    middle = statistics.median_high(entry.time for entry in about.values())
    checks = []
    for node, entry in about.items():
        checks.append(_check(CheckName.CLOCKS_AGREE, node, node))
        if abs(entry.time - middle) > CLOCK:
            _fail(checks[-1], Code.CLOCK_SKEWED, seconds=round(abs(entry.time - middle)))
    return checks


def _leases(cluster: Cluster, about: Mapping[str, About]) -> list[Check]:
    """A node's lease is what the API says."""
    checks = []
    for node in cluster.nodes:
        lease = about[node.name].lease if node.name in about else None
        if not lease:
            continue
        ours, theirs = sorted(map(str, lease.pod_cidrs)), sorted(node.pod_cidrs)
        checks.append(_check(CheckName.POD_CIDR_MATCHES, node.name, node.name, Step.LEASE))
        if ours != theirs:
            _fail(checks[-1], Code.POD_CIDR_MISMATCH, actual=ours, expected=theirs)
        checks.append(_check(CheckName.NODE_ADDRESS_MATCHES, node.name, node.name, Step.LEASE))
        if node.address not in (lease.address, *lease.addresses):
            _fail(checks[-1], Code.NODE_ADDRESS_MISMATCH, actual=lease.address, expected=node.address)
    return checks


def _peers(about: Mapping[str, About], others: int) -> list[Check]:
    checks = []
    for node, entry in about.items():
        if entry.lease:
            checks.append(_check(CheckName.PEERS_COMPLETE, node, node, Step.LEASE))
            if entry.peers != others:
                _fail(checks[-1], Code.PEERS_INCOMPLETE, actual=entry.peers, expected=others)
    return checks


def _own_addresses(about: Mapping[str, About]) -> list[Check]:
    """No two nodes have one address on the underlay, or one MAC address there or on the tunnel's device."""
    holders: dict[str, list[str]] = defaultdict(list)
    for node, entry in about.items():
        for address in entry.addresses:
            holders[address].append(node)
    checks = []
    for node, entry in about.items():
        checks.append(_check(CheckName.NO_DUPLICATE_NODE_ADDRESSES, node, node, Step.UNDERLAY))
        shared = next((address for address in entry.addresses if len(holders[address]) > 1), "")
        if shared:
            others = [other for other in holders[shared] if other != node]
            _fail(checks[-1], Code.NODE_ADDRESS_DUPLICATE, address=shared, others=others)
    return checks


def _nodes(cluster: Cluster) -> list[Check]:
    checks = []
    for node in cluster.nodes:
        checks.append(_check(CheckName.NODE_READY, node.name, node.name))
        if not node.ready:
            units = " ".join(["kubelet", *runtimes.units(node.runtime)])
            _fail(checks[-1], Code.NODE_NOT_READY, reason=node.reason or "no reason given", units=units)
    return checks


def _minor(release: str) -> int:
    """The second number of a release of Kubernetes; 0 for what is none."""
    found = re.match(r"v1\.(\d+)", release)
    return int(found.group(1)) if found else 0


def _releases(cluster: Cluster) -> list[Check]:
    """The releases of API servers and kubelets that Kubernetes supports together (its version skew policy)."""
    servers = sorted(cluster.api_servers.items(), key=lambda server: _minor(server[1]))
    if not servers:
        return []  # they are not pods of this cluster
    (oldest, old), (newest, new) = servers[0], servers[-1]
    checks = [_check(CheckName.API_SERVERS_FIT, oldest, oldest)]
    if _minor(new) - _minor(old) > 1:
        _fail(checks[0], Code.API_SERVER_SKEWED, actual=old, expected=new, other=newest)
    for node in cluster.nodes:
        if _minor(node.release):
            checks.append(_check(CheckName.KUBELET_FITS, node.name, node.name))
            if not _minor(new) - OLDEST_KUBELET <= _minor(node.release) <= _minor(old):
                _fail(checks[-1], Code.KUBELET_SKEWED, actual=node.release, expected=sorted({old, new}))
    return checks


def _pods(cluster: Cluster, namespace: str) -> list[Check]:
    checks = []
    for pod in cluster.pods:
        if pod.name.startswith(f"{namespace}/"):
            checks.append(_check(CheckName.POD_READY, pod.name, pod.node))
            if not pod.ready:
                _fail(checks[-1], Code.POD_NOT_READY, host=pod.node or "any node", **_names(pod.name))
    return checks


def _resolver(cluster: Cluster) -> list[Check]:
    """Where the cluster has a resolver, a pod is behind it."""
    service = next((one for one in cluster.services if one.name == DNS), None)
    if service is None:
        return []
    check = _check(CheckName.DNS_ENDPOINTS, DNS, "", Step.SERVICE)
    if not any(pod.ready for pod in cluster.behind(service)):
        _fail(check, Code.SERVICE_NO_ENDPOINTS, **_names(DNS))
    return [check]


def _addresses(cluster: Cluster) -> list[Check]:
    """Every pod's address lies inside its node's podCIDR, and no other pod has it; no two nodes' podCIDRs overlap."""
    cidrs = {node.name: [parse_prefix(cidr) for cidr in node.pod_cidrs] for node in cluster.nodes}
    pods = [pod for pod in cluster.pods if not pod.host_network and pod.address]
    holders: dict[str, list[str]] = defaultdict(list)
    for pod in pods:
        holders[pod.address].append(pod.name)
    checks = _own_cidrs(cluster, cidrs)
    for pod in pods:
        checks.append(_inside(pod, cidrs.get(pod.node, [])))
        checks.append(_check(CheckName.POD_ADDRESS_UNIQUE, pod.name, pod.node, Step.DELIVER))
        others = [name for name in holders[pod.address] if name != pod.name]
        if others:
            _fail(checks[-1], Code.POD_ADDRESS_SHARED, address=pod.address, others=others, **_names(pod.name))
    return checks


def _own_cidrs(cluster: Cluster, cidrs: dict[str, list[Prefix]]) -> list[Check]:
    checks = []
    shared = _overlapping(cidrs)
    for node in cluster.nodes:
        checks.append(_check(CheckName.POD_CIDR_UNIQUE, node.name, node.name, Step.LEASE))
        if node.name in shared:
            other = shared[node.name]
            there: dict[str, Value] = {"cidrs": node.pod_cidrs, "others": [str(cidr) for cidr in cidrs[other]]}
            _fail(checks[-1], Code.POD_CIDR_OVERLAPS, other=other, **there)
        elif not cidrs[node.name]:
            _fail(checks[-1], Code.POD_CIDR_MISSING)
    return checks


def _inside(pod: Pod, cidrs: list[Prefix]) -> Check:
    check = _check(CheckName.POD_ADDRESS_INSIDE, pod.name, pod.node, Step.IPAM)
    if not any(cidr.holds(*parse_address(pod.address)) for cidr in cidrs):
        there: dict[str, Value] = {"address": pod.address, "host": pod.node, "cidrs": [str(cidr) for cidr in cidrs]}
        _fail(check, Code.POD_ADDRESS_OUTSIDE, **there, **_names(pod.name))
    return check


def _overlapping(cidrs: dict[str, list[Prefix]]) -> dict[str, str]:
    """The nodes whose podCIDRs overlap another's, each with one of those: in one pass over all, by where they begin."""
    found: dict[str, str] = {}
    before: tuple[Prefix, str] | None = None
    for block, name in sorted((cidr, name) for name, own in cidrs.items() for cidr in own):
        if before and before[0].overlaps(block) and before[1] != name:
            found.setdefault(before[1], name)
            found.setdefault(name, before[1])
        if before is None or before[0].version != block.version or block.last > before[0].last:
            before = block, name
    return found


def _attachments(cluster: Cluster, answers: Answers, namespace: str) -> list[Check]:
    """A pod's address in the API is what its node has.

    Asked of the workload only: others' pods may come and go between the API's answer and the nodes'.
    """
    checks = []
    on_node: dict[str, list[Pod]] = defaultdict(list)
    for pod in cluster.workload(namespace):
        on_node[pod.node].append(pod)
    for node, answer in sorted(answers.items()):
        attached = {entry.name: entry.addresses for entry in answer.attachments}
        for pod in on_node[node]:
            checks.append(_check(CheckName.POD_ADDRESS_MATCHES, pod.name, node, Step.POD))
            if pod.name not in attached:
                _fail(checks[-1], Code.POD_ATTACHMENT_MISSING, host=node, **_names(pod.name))
            elif pod.address not in attached[pod.name]:
                there: dict[str, Value] = {"host": node, "actual": attached[pod.name], "expected": pod.address}
                _fail(checks[-1], Code.POD_ADDRESS_MISMATCH, **there, **_names(pod.name))
    return checks


def _complete(cluster: Cluster, answers: Answers, namespace: str, port: int, sample: int) -> list[Check]:
    """Every node has made all its probes: one that could not be asked must not look healthy."""
    checks = []
    for node in cluster.nodes:
        made = len(answers[node.name].results) if node.name in answers else 0
        due = len(probes(cluster, node.name, namespace, port, sample))
        checks.append(_check(CheckName.NODE_PROBED, node.name, node.name))
        if made != due:
            _fail(checks[-1], Code.NODE_NOT_PROBED, actual=made, expected=due)
    return checks


def _tunnels(cluster: Cluster, answers: Answers, namespace: str) -> list[Check]:
    """Between any two nodes between whose pods probes were sent, packets were seen on the underlay as VXLAN: out at one
    end, in from the other.
    """
    checks = []
    addresses = {node.name: node.address for node in cluster.nodes}
    for node, peers in sorted(_probed(cluster, answers, namespace).items()):
        counted: Counter[tuple[str, str, str]] = Counter()
        for flow in answers[node].flows:
            counted[flow.direction, flow.source, flow.destination] += flow.packets
        for peer in sorted(peers):
            here, there = addresses[node], addresses[peer]
            sent, received = counted[OUT, here, there], counted[IN, there, here]
            # of two nodes, and a symptom like a lost probe: it says of neither that the fault is there
            checks.append(_check(CheckName.VXLAN_SEEN, node, "", Step.WIRE))
            if not sent or not received:
                _fail(checks[-1], Code.VXLAN_UNSEEN, peer=peer, sent=sent, received=received)
    return checks


def _probed(cluster: Cluster, answers: Answers, namespace: str) -> dict[str, set[str]]:
    """For each node that was asked the others with which its pods exchanged probes, in either direction."""
    pods = cluster.workload(namespace)
    by_name, by_address = {pod.name: pod.node for pod in pods}, {pod.address: pod.node for pod in pods}
    pairs: dict[str, set[str]] = defaultdict(set)
    for answer in answers.values():
        for result in answer.results:
            if result.denied:
                continue  # it may have been dropped where it began
            one, other = by_name.get(result.source), by_address.get(result.address)
            if one and other and one != other and one in answers and other in answers:
                pairs[one].add(other)
                pairs[other].add(one)
    return pairs
