# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which probes a node must make so that, all nodes together, every path through the cluster is probed once."""

from __future__ import annotations

from typing import Any

from .api import Cluster, Node, Pod

#: The cluster's resolver, where there is one, and a question that any answers: an A record of
#: kubernetes.default.svc.cluster.local (RFC 1035, section 4).
DNS = "kube-system/kube-dns"
QUESTION = "\x12\x34\x01\0\0\x01\0\0\0\0\0\0" + "".join(
    chr(len(label)) + label for label in ("kubernetes", "default", "svc", "cluster", "local", "")
) + "\0\x01\0\x01"  # fmt: skip
REQUEST = "GET /hostname HTTP/1.0\r\n\r\n"


def probes(cluster: Cluster, node_name: str, namespace: str, port: int, sample: int = 0) -> list[dict]:
    """The probes to make on a node, as the ``probe`` module takes them.

    The workload is the pods of ``namespace`` that have an address of their own; each answers HTTP on ``port`` with its
    own name, so that an answer from the wrong pod is recognized. ICMP goes to pods and nodes in
    packets as large as the sender's MTU, never fragmented. With ``sample`` each source probes at most so many pods, and
    so many nodes, spread evenly and others for each source, so that a large cluster's run stays bounded and all sources
    together still reach every target. Raises ValueError if the API knows no such node.
    """
    node = next((node for node in cluster.nodes if node.name == node_name), None)
    if node is None:
        known = ", ".join(node.name for node in cluster.nodes)
        raise ValueError(f"node {node_name!r} is not in the cluster, which has {known}")
    pods = workload(cluster, namespace)
    position = cluster.nodes.index(node)
    nodes = some(cluster.nodes, position, sample)
    published = [pod for pod in cluster.pods if pod.host_ports]
    found = _from(cluster, {"source": node.name}, "node", node, some(pods, position, sample), nodes, port, published)
    for number, pod in enumerate(pods):
        if pod.node == node.name:
            others = [other for other in some(pods, number, sample) if other is not pod]
            found += _from(cluster, {"source": pod.name, "pod": pod.name}, "pod", node, others, nodes, port, published)
    return found


def some(items: list[Any], position: int, most: int) -> list[Any]:
    """At most ``most`` items (0: all), evenly spread, beginning after the ``position``: sources next to each other take
    targets next to each other."""
    if not most or len(items) <= most:
        return items
    step = len(items) / most
    return [items[(position + 1 + int(number * step)) % len(items)] for number in range(most)]


def workload(cluster: Cluster, namespace: str) -> list[Pod]:
    """The pods of a namespace that have an address of their own."""
    return [
        pod for pod in cluster.pods if pod.name.startswith(f"{namespace}/") and not pod.host_network and pod.address
    ]


def _from(
    cluster: Cluster,
    source: dict,
    kind: str,
    node: Node,
    pods: list[Pod],
    nodes: list[Node],
    port: int,
    published: list[Pod],
) -> list[dict]:
    """The probes from one source of a kind (pod or node) on ``node``; ``published`` are all pods with host ports."""
    found: list[dict] = []

    def add(scope: str, how: str, target: str, **more: Any) -> None:
        found.append({**source, "scope": f"{kind} to {scope}", "kind": how, "target": target, **more})

    def ask(scope: str, target: str, address: str, at: int, answering: list[Pod]) -> None:
        names = [_hostname(pod) for pod in answering]
        add(scope, "tcp", target, address=address, port=at, send=REQUEST, expect=names)

    for pod in pods:
        add("pod", "icmp", pod.name, address=pod.address, size=0)
        ask("pod", pod.name, pod.address, port, [pod])
    for other in nodes:
        if other.address and not (kind == "node" and other is node):
            add("node", "icmp", other.name, address=other.address, size=0)
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
    resolver = next((one for one in cluster.services if one.name == DNS), None)
    if resolver:
        add("DNS", "udp", resolver.name, address=resolver.address, port=53, send=QUESTION)
    return found


def _hostname(pod: Pod) -> str:
    return pod.name.partition("/")[2]
