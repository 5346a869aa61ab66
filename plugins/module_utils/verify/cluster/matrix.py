# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which probes a node must make so that, all nodes together, every path through the cluster is probed once."""

from __future__ import annotations

from dataclasses import field
from typing import TypeVar

from ..model.evidence import QUESTION, SMALL
from ..model.record import record
from .api import Cluster, Node, Pod

T = TypeVar("T")

#: The cluster's resolver, where there is one.
DNS = "kube-system/kube-dns"
#: The API server's own Service.
API = "default/kubernetes"
REQUEST = "GET /hostname HTTP/1.0\r\n\r\n"


@record
class DueProbe:
    """A probe to make, as the module ``probe`` takes it: from ``pod``, or from the node itself where that is None."""

    source: str
    scope: str
    kind: str
    target: str
    address: str
    pod: str | None = None
    port: int | None = None
    size: int = SMALL
    send: str = ""
    expect: list[str] = field(default_factory=list)


def probes(cluster: Cluster, node_name: str, namespace: str, port: int, sample: int = 0) -> list[DueProbe]:
    """The probes to make on a node.

    The workload is the pods of ``namespace`` that have an address of their own; each answers HTTP on ``port`` with its
    own name, so that an answer from the wrong pod is recognized. ICMP goes to pods and nodes in
    packets as large as the sender's MTU, never fragmented. With ``sample`` each source probes at most so many pods, and
    so many nodes, spread evenly and others for each source, so that a large cluster's run stays bounded and all sources
    together still reach every target. Raises ValueError if the API knows no such node.
    """
    position = next((number for number, node in enumerate(cluster.nodes) if node.name == node_name), None)
    if position is None:
        known = ", ".join(node.name for node in cluster.nodes)
        raise ValueError(f"node {node_name!r} is not in the cluster, which has {known}")
    node, pods = cluster.nodes[position], cluster.workload(namespace)
    nodes = some(cluster.nodes, position, sample)
    published = cluster.publishing()
    found = _from(cluster, node.name, None, node, some(pods, position, sample), nodes, port, published)
    for number, pod in enumerate(pods):
        if pod.node == node.name:
            others = [other for other in some(pods, number, sample) if other is not pod]
            found += _from(cluster, pod.name, pod.name, node, others, nodes, port, published)
    return found


def some(items: list[T], position: int, most: int) -> list[T]:
    """At most ``most`` items (0: all), evenly spread, beginning after the ``position``: sources next to each other take
    targets next to each other."""
    if not most or len(items) <= most:
        return items
    step = len(items) / most
    return [items[(position + 1 + int(number * step)) % len(items)] for number in range(most)]


def _from(
    cluster: Cluster,
    source: str,
    from_pod: str | None,
    node: Node,
    pods: list[Pod],
    nodes: list[Node],
    port: int,
    published: list[Pod],
) -> list[DueProbe]:
    """The probes from one source on ``node``: a pod, or the node; ``published`` are all pods with host ports."""
    found: list[DueProbe] = []
    kind = "pod" if from_pod else "node"

    def echo(scope: str, target: str, address: str) -> None:
        found.append(DueProbe(source, f"{kind} to {scope}", "icmp", target, address, from_pod, size=0))

    def ask(scope: str, target: str, address: str, at: int, answering: list[Pod]) -> None:
        names = [_hostname(pod) for pod in answering]
        probe = DueProbe(source, f"{kind} to {scope}", "tcp", target, address, from_pod, at, send=REQUEST, expect=names)
        found.append(probe)

    for pod in pods:
        echo("pod", pod.name, pod.address)
        ask("pod", pod.name, pod.address, port, [pod])
    for other in nodes:
        if other.address and not (kind == "node" and other is node):
            echo("node", other.name, other.address)
    addresses = {other.name: other.address for other in nodes if other.address}
    namespaces = {pod.name.partition("/")[0] for pod in pods}
    for service in cluster.services:
        if service.name.partition("/")[0] not in namespaces:
            continue
        answering = cluster.behind(service)
        for service_port in service.ports:
            ask("ClusterIP", service.name, service.address, service_port, answering)
        for node_port in service.node_ports.values():
            for name, address in addresses.items():
                ask("NodePort", f"{name}:{node_port}", address, node_port, answering)
    for pod in published:
        if pod.name.partition("/")[0] in namespaces and pod.node in addresses:
            for host_port in pod.host_ports:
                ask("hostPort", f"{pod.node}:{host_port}", addresses[pod.node], host_port, [pod])
    api = next((one for one in cluster.services if one.name == API), None)
    if api and from_pod is None:
        for at in api.ports:
            found.append(DueProbe(source, "node to API server", "tcp", api.name, api.address, None, at))
    resolver = next((one for one in cluster.services if one.name == DNS), None)
    if resolver:
        to = resolver.name, resolver.address, from_pod
        found.append(DueProbe(source, f"{kind} to DNS", "udp", *to, 53, send=QUESTION))
    return found


def _hostname(pod: Pod) -> str:
    return pod.name.partition("/")[2]
