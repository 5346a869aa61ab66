# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ends of paths in a cluster, as the Kubernetes API knows them. Runs on the controller."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import zip_longest

from ...ipam.prefix import parse_prefix
from ..model.directory import Directory
from ..model.endpoint import Endpoint, EndpointError
from ..model.evidence import ProbeResult
from ..model.request import DISCARD, TraceRequest
from .api import Cluster, Pod, Service
from .matrix import DNS
from .policies import Policies


def directory(cluster: Cluster) -> Directory:
    """All endpoints of the cluster, and the nodes' podCIDRs."""
    found = Directory("a pod, Service or node of the cluster; `kubectl get pods,services -A -o wide` lists them")
    for pod in cluster.pods:
        if pod.host_network:  # it is the node
            found.named.append(Endpoint("pod", pod.name, pod.address, pod.node))
        elif pod.address:
            found.add(_pod(pod))
    for service in cluster.services:
        found.add(_service(cluster, service))
    for node in cluster.nodes:
        found.add(Endpoint("node", node.name, node.address, node.name))
        found.blocks += [(parse_prefix(cidr), node.name) for cidr in node.pod_cidrs]
    return found


def resolve(cluster: Cluster, text: str, port: int = 0) -> Endpoint:
    """What ``text`` names, see Directory; a pod in its node's network is the node, a node's port that leads to a
    Service is the Service, "dns" the cluster's. Raises EndpointError."""
    end = directory(cluster).resolve(DNS if text == "dns" else text)
    behind, _port = _behind(cluster, end, port)
    if behind.kind == "service":
        return behind
    on_host = end.kind == "pod" and any(pod.name == end.name and pod.host_network for pod in cluster.pods)
    return Endpoint("node", end.node, end.address, end.node) if on_host else end


def requests(
    cluster: Cluster, results: Iterable[ProbeResult], most: int, policies: Policies | None = None
) -> list[TraceRequest]:
    """What to trace for probes that failed, and not by ``policies``: one for each pair of nodes, at most so many; from
    each node one before any has a second, and Services after the pods that may be behind them. Where a node's port
    leads to a pod or a Service, that is the target."""
    known = directory(cluster)
    found: dict[tuple[str, str, str], TraceRequest] = {}
    for result in results:
        if result.ok or (policies and policies.verdict(result).denied):
            continue
        try:
            source, target = known.resolve(result.source), known.resolve(result.address)
        except EndpointError:
            continue
        if source.kind in ("pod", "node"):
            target, port = _behind(cluster, target, result.port or DISCARD)
            pair = (source.node, target.node or target.address, source.kind)
            found.setdefault(pair, TraceRequest(source, target, port=port))
    # a pod's path covers more hops than a node's
    ordered = sorted(found.values(), key=lambda request: (request.source.kind != "pod", not request.target.node))
    by_source: dict[str, dict[str, TraceRequest]] = defaultdict(dict)
    for request in ordered:
        by_source[request.source.node].setdefault(request.target.node or request.target.address, request)
    turns = zip_longest(*(kept.values() for kept in by_source.values()))
    return [request for turn in turns for request in turn if request][:most]


def _behind(cluster: Cluster, target: Endpoint, port: int) -> tuple[Endpoint, int]:
    """What a node's port leads to: the pod that publishes it, or the Service; else the node itself."""
    for pod in cluster.pods if target.kind == "node" else ():
        if pod.node == target.node and port in pod.host_ports:
            return _pod(pod), pod.host_ports[port]
    for service in cluster.services if target.kind == "node" else ():
        if port in service.node_ports.values():
            return _service(cluster, service, target), port
    return target, port


def nodes(request: TraceRequest, cluster: Cluster) -> list[str]:
    """The nodes that must be inspected for a trace."""
    backends = request.target.backends
    behind = [pod.node for pod in cluster.pods if pod.address in backends]
    behind += [node.name for node in cluster.nodes if node.address in backends]
    return list(dict.fromkeys(filter(None, [request.source.node, request.target.node, *behind])))


def _pod(pod: Pod) -> Endpoint:
    return Endpoint("pod", pod.name, pod.address, pod.node)


def _service(cluster: Cluster, service: Service, node: Endpoint | None = None) -> Endpoint:
    """The Service by its own address, or by a port of the ``node``."""
    found = service.endpoints
    if found is None:
        found = [pod.address for pod in cluster.behind(service) if pod.ready and pod.address]
    local = service.external_local if node else service.local
    address, name = (node.address, node.node) if node else (service.address, "")
    return Endpoint("service", service.name, address, name, tuple(found), local, tuple(service.protocols))
