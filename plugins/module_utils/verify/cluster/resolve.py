# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ends of ways in a cluster, as the Kubernetes API knows them. Runs on the controller."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from dataclasses import asdict
from itertools import zip_longest
from typing import Any

from ..model.endpoint import End, EndError
from .api import Cluster, Pod, Service


def end_of(cluster: Cluster, text: str) -> End:
    """What ``text`` names: a pod or a Service (namespace/name, or the name alone where one only has it), a node, an
    address of any of them, or one outside. Raises EndError."""
    ends = [_pod(pod) for pod in cluster.pods if pod.address and text in _names(pod.name, pod.address)]
    # a pod in the node's own network is the node
    ends = [end for end in ends if not (end.kind == "pod" and _on_host(cluster, end))] or [
        End("node", pod.node, pod.address, pod.node) for pod in cluster.pods if text == pod.name and pod.host_network
    ]
    ends += [_service(cluster, one) for one in cluster.services if text in _names(one.name, one.address)]
    ends += [End("node", one.name, one.address, one.name) for one in cluster.nodes if text in (one.name, one.address)]
    if len({(end.kind, end.name) for end in ends}) > 1:
        told = ", ".join(sorted(f"{end.kind} {end.name}" for end in ends))
        raise EndError(f"{text}: there are {told}: say which, with its namespace, or give the address")
    if ends:
        return ends[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise EndError(
            f"{text}: the cluster has no pod, Service or node of that name, and it is no address; "
            "`kubectl get pods,services -A -o wide` lists what there is"
        ) from None
    for node in cluster.nodes:
        if any(address in ipaddress.ip_network(cidr) for cidr in node.pod_cidrs):
            return End("pod", text, text, node.name)
    return End("outside", text, text)


def ways(cluster: Cluster, results: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The ways to trace for probes that failed: ``from`` and ``to`` as JSON, one for each pair of nodes, at most so
    many; from each node one before any has a second, and Services after the pods that may be behind them. Where a
    node's port leads to a pod or a Service, that is the way's end."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for result in results:
        if result["ok"]:
            continue
        try:
            source, target = end_of(cluster, result["source"]), end_of(cluster, result["address"])
        except EndError:
            continue
        if source.kind in ("pod", "node"):
            target, port = _behind(cluster, target, result.get("port") or 9)
            entry = {"from": asdict(source), "to": asdict(target), "port": port}
            found.setdefault((source.node, target.node or target.address, source.kind), entry)
    # what comes from pods tells more than what comes from nodes
    ordered = sorted(found.values(), key=lambda way: (way["from"]["kind"] != "pod", not way["to"]["node"]))
    by_source: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for way in ordered:
        by_source[way["from"]["node"]].setdefault(way["to"]["node"] or way["to"]["address"], way)
    turns = zip_longest(*(kept.values() for kept in by_source.values()))
    return [way for turn in turns for way in turn if way][:most]


def _behind(cluster: Cluster, target: End, port: int) -> tuple[End, int]:
    """What a node's port leads to: the pod that publishes it, or the Service; else the node itself."""
    for pod in cluster.pods if target.kind == "node" else ():
        if pod.node == target.node and port in pod.host_ports:
            return _pod(pod), pod.host_ports[port]
    for service in cluster.services if target.kind == "node" else ():
        own = next((own for own, of_nodes in service.node_ports.items() if of_nodes == port), None)
        if own:
            return _service(cluster, service), own
    return target, port


def nodes(way: dict[str, Any], cluster: Cluster) -> list[str]:
    """The nodes that must be looked at for a way."""
    target = way["to"]
    behind = [pod.node for pod in cluster.pods if pod.address in target["backends"]]
    behind += [node.name for node in cluster.nodes if node.address in target["backends"]]
    return list(dict.fromkeys(filter(None, [way["from"]["node"], target["node"], *behind])))


def _names(name: str, address: str) -> tuple[str, str, str]:
    return name, name.partition("/")[2], address


def _on_host(cluster: Cluster, end: End) -> bool:
    return any(pod.name == end.name and pod.host_network for pod in cluster.pods)


def _pod(pod: Pod) -> End:
    return End("pod", pod.name, pod.address, pod.node)


def _service(cluster: Cluster, service: Service) -> End:
    ready = [pod.address for pod in cluster.behind(service) if pod.ready and pod.address]
    return End("service", service.name, service.address, "", (*ready, *service.endpoints))
