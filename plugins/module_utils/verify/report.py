# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on a cluster: probes, and what the API says against what the nodes have."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import asdict
from typing import Any

from .cluster import Cluster
from .matrix import probes, workload


def report(cluster: Cluster, found: dict[str, dict], namespace: str, port: int, tunnel: bool) -> dict[str, Any]:
    """Everything that verification found, ready for JSON.

    found    for each node the ``probe`` module's result: ``results``, ``flows``, ``attachments``, ``vteps``
    tunnel   whether packets between nodes must travel as VXLAN

    Returns ``ok``; ``nodes`` and ``pods``; ``checks``, each with ``check``, ``subject``, ``ok``, ``reason``;
    ``probes``, all results; and ``summary``: for each scope ``ok`` and ``total``.
    """
    checks = [
        *_nodes(cluster),
        *_pods(cluster, namespace),
        *_addresses(cluster),
        *_attachments(cluster, found, namespace),
        *_complete(cluster, found, namespace, port),
        *(_tunnels(cluster, found, namespace) if tunnel else []),
    ]
    results = [dict(result, node=node) for node in sorted(found) for result in found[node].get("results", [])]
    total = Counter(result["scope"] for result in results)
    good = Counter(result["scope"] for result in results if result["ok"])
    nodes = [dict(asdict(node), vteps=found.get(node.name, {}).get("vteps", [])) for node in cluster.nodes]
    return {
        "ok": bool(results) and all(entry["ok"] for entry in [*checks, *results]),
        "namespace": namespace,
        "nodes": nodes,
        "pods": [asdict(pod) for pod in cluster.pods],
        "checks": checks,
        "probes": results,
        "flows": [dict(flow, node=node) for node in sorted(found) for flow in found[node].get("flows", [])],
        "summary": {scope: {"ok": good[scope], "total": total[scope]} for scope in total},
    }


def failures(report: dict[str, Any]) -> list[str]:
    """Each failure of a report in a sentence."""
    told = [f"{entry['check']}, {entry['subject']}: {entry['reason']}" for entry in report["checks"] if not entry["ok"]]
    for result in report["probes"]:
        if not result["ok"]:
            told.append(
                f"{result['scope']}, {result['kind']}, {result['source']} → {result['target']}: {result['reason']}"
            )
    if not report["probes"]:
        told.append("probes: none was made, so nothing is proven")
    return told


def _check(check: str, subject: str, reason: str = "") -> dict[str, Any]:
    """A check's outcome: a reason means that it failed."""
    return {"check": check, "subject": subject, "ok": not reason, "reason": reason}


def _nodes(cluster: Cluster) -> list[dict]:
    return [
        _check("node is Ready", node.name, "" if node.ready else node.reason or "not Ready") for node in cluster.nodes
    ]


def _pods(cluster: Cluster, namespace: str) -> list[dict]:
    return [
        _check("pod is Ready", pod.name, "" if pod.ready else f"not Ready on {pod.node or 'any node'}")
        for pod in cluster.pods
        if pod.name.startswith(f"{namespace}/")
    ]


def _addresses(cluster: Cluster) -> list[dict]:
    """Every pod's address lies inside its node's podCIDR, and no other pod has it; no two nodes' podCIDRs overlap."""
    checks = []
    cidrs = {node.name: [ipaddress.ip_network(cidr) for cidr in node.pod_cidrs] for node in cluster.nodes}
    for node in cluster.nodes:
        reason = "" if cidrs[node.name] else "the API has given it none"
        for other in cluster.nodes:
            if other is not node and any(one.overlaps(two) for one in cidrs[node.name] for two in cidrs[other.name]):
                reason = f"{', '.join(node.pod_cidrs)} overlaps {', '.join(other.pod_cidrs)} of {other.name}"
        checks.append(_check("podCIDR is the node's own", node.name, reason))
    pods = [pod for pod in cluster.pods if not pod.host_network and pod.address]
    holders = Counter(pod.address for pod in pods)
    for pod in pods:
        inside = any(ipaddress.ip_address(pod.address) in cidr for cidr in cidrs.get(pod.node, []))
        where = ", ".join(map(str, cidrs.get(pod.node, []))) or "none"
        outside = f"{pod.address} is outside {pod.node}'s podCIDR, {where}"
        checks.append(_check("address is in the podCIDR", pod.name, "" if inside else outside))
        shared = ", ".join(other.name for other in pods if other is not pod and other.address == pod.address)
        twice = f"{pod.address} is also that of {shared}"
        checks.append(_check("address is unique", pod.name, twice if holders[pod.address] > 1 else ""))
    return checks


def _attachments(cluster: Cluster, found: dict[str, dict], namespace: str) -> list[dict]:
    """What the API says of a pod's address is what its node has.

    Asked of the workload only: others' pods may come and go between the API's answer and the nodes'.
    """
    checks = []
    for node, has in sorted(found.items()):
        attached = {entry["pod"]: entry for entry in has.get("attachments", [])}
        expected = {pod.name: pod for pod in workload(cluster, namespace) if pod.node == node}
        for name, pod in expected.items():
            entry = attached.get(name)
            reason = ""
            if entry is None:
                reason = f"{node} has no network namespace for it"
            elif pod.address not in entry["addresses"]:
                reason = f"the API says {pod.address}, {node} has {', '.join(entry['addresses']) or 'no address'}"
            checks.append(_check("address is what the node has", name, reason))
    return checks


def _complete(cluster: Cluster, found: dict[str, dict], namespace: str, port: int) -> list[dict]:
    """Every node has made all its probes: one that could not be asked must not look healthy."""
    checks = []
    for node in cluster.nodes:
        made = len(found.get(node.name, {}).get("results", []))
        due = len(probes(cluster, node.name, namespace, port))
        checks.append(_check("node was asked", node.name, "" if made == due else f"{made} of {due} probes were made"))
    return checks


def _tunnels(cluster: Cluster, found: dict[str, dict], namespace: str) -> list[dict]:
    """Between any two nodes with pods, packets were seen on the underlay as VXLAN: out at one end, in from the
    other.
    """
    checks = []
    addresses = {node.name: node.address for node in cluster.nodes}
    busy = sorted({pod.node for pod in workload(cluster, namespace)} & set(found))
    for node in busy:
        seen = {(flow["way"], flow["source"], flow["destination"]) for flow in found[node].get("flows", [])}
        for peer in busy:
            if peer == node:
                continue
            here, there = addresses[node], addresses[peer]
            missing = [
                text
                for text, flow in ((f"to {there}", ("out", here, there)), (f"from {there}", ("in", there, here)))
                if flow not in seen
            ]
            reason = f"no VXLAN packet {' and none '.join(missing)} was seen on the underlay" if missing else ""
            checks.append(_check("packets travel in the tunnel", f"{node} ↔ {peer}", reason))
    return checks
