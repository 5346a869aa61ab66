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

SCHEMA = 2
#: Seconds that nodes' clocks may differ; the nodes are asked within the same seconds, not at the same time.
CLOCK = 10


def report(
    cluster: Cluster,
    found: dict[str, dict],
    namespace: str,
    port: int,
    tunnel: bool,
    traces: list[dict] | None = None,
    sample: int = 0,
) -> dict[str, Any]:
    """Everything that verification found, ready for JSON; docs/verify-report.md describes it.

    found    for each node the ``probe`` module's result: ``results``, ``flows``, ``attachments``, ``vteps``, ``checks``
             and ``about``
    tunnel   whether packets between nodes must travel as VXLAN
    traces   the ways that were followed because probes on them failed (``follow.judge``)
    sample   how many others each source probed at most, 0 for all
    """
    checks = [
        *_nodes(cluster),
        *_pods(cluster, namespace),
        *_addresses(cluster),
        *_attachments(cluster, found, namespace),
        *_complete(cluster, found, namespace, port, sample),
        *_between_nodes(cluster, found),
        *(check for node in sorted(found) for check in found[node].get("checks", [])),
        *(_tunnels(cluster, found, namespace) if tunnel else []),
    ]
    results = [dict(result, node=node) for node in sorted(found) for result in found[node].get("results", [])]
    total = Counter(result["scope"] for result in results)
    good = Counter(result["scope"] for result in results if result["ok"])
    nodes = [dict(asdict(node), vteps=found.get(node.name, {}).get("vteps", [])) for node in cluster.nodes]
    traces = traces or []
    return {
        "schema": SCHEMA,
        "ok": bool(results) and all(entry["ok"] for entry in [*checks, *results, *traces]),
        "namespace": namespace,
        "nodes": nodes,
        "pods": [asdict(pod) for pod in cluster.pods],
        "checks": checks,
        "probes": results,
        "flows": [dict(flow, node=node) for node in sorted(found) for flow in found[node].get("flows", [])],
        "summary": {scope: {"ok": good[scope], "total": total[scope]} for scope in total},
        "coverage": _coverage(cluster, results, namespace),
        "tunnels": _tunnel_list(cluster, found),
        "traces": traces,
        "failures": _failures(checks, results, traces, cluster),
    }


def _coverage(cluster: Cluster, results: list[dict], namespace: str) -> dict[str, int]:
    """How many of all pairs of the workload's pods, and of the nodes that they are on, were probed."""
    pods = {pod.address: pod for pod in workload(cluster, namespace)}
    by_name = {pod.name: pod for pod in pods.values()}
    probed = {(result["source"], result.get("address", "")) for result in results}
    pairs = {(source, address) for source, address in probed if source in by_name and address in pods}
    nodes = {(by_name[source].node, pods[address].node) for source, address in pairs}
    busy = {pod.node for pod in pods.values()}
    return {
        "pod_pairs": len(pairs),
        "all_pod_pairs": len(pods) * (len(pods) - 1),
        "node_pairs": len({(one, other) for one, other in nodes if one != other}),
        "all_node_pairs": len(busy) * (len(busy) - 1),
    }


def _tunnel_list(cluster: Cluster, found: dict[str, dict]) -> list[dict[str, Any]]:
    """Between which nodes packets were seen as VXLAN: ``from``, ``to``, the addresses, ``vni``, packets sent, and how
    many of them came in at the other end."""
    names = {node.address: node.name for node in cluster.nodes}
    came: Counter[tuple] = Counter()
    for node in found:
        for flow in found[node].get("flows", []):
            if flow["way"] == "in":
                came[node, flow["source"], flow["destination"], flow["vni"]] += flow["packets"]
    tunnels = []
    for node in sorted(found):
        for flow in found[node].get("flows", []):
            if flow["way"] == "out" and flow["destination"] in names:
                to, vni = names[flow["destination"]], flow["vni"]
                tunnels.append(
                    {
                        "from": node, "to": to, "source": flow["source"], "destination": flow["destination"],
                        "vni": vni, "sent": flow["packets"],
                        "received": came[to, flow["source"], flow["destination"], vni],
                    }
                )  # fmt: skip
    return tunnels


def _failures(checks: list[dict], results: list[dict], traces: list[dict], cluster: Cluster) -> list[dict[str, Any]]:
    """Each failure: ``kind`` (check, probe or trace), ``text``, and where it is known ``node``, ``step``, ``cause``,
    ``cure``, and ``trace``, the number of the trace that tells of it."""
    found = []
    where = {pod.name: pod.node for pod in cluster.pods} | {node.name: node.name for node in cluster.nodes}
    at = {pod.address: pod.node for pod in cluster.pods if pod.address}
    at.update({node.address: node.name for node in cluster.nodes})
    for entry in checks:
        if not entry["ok"]:
            text = f"{entry['check']}, {entry['subject']}: {entry['reason']}"
            found.append(_failure("check", text, entry, entry["reason"]))
    for number, trace in enumerate(traces):
        if not trace["ok"]:
            verdict = trace["verdict"] or {}
            text = f"{trace['from']['name']} → {trace['to']['name']}: {verdict.get('cause', 'it does not arrive')}"
            found.append({**_failure("trace", text, verdict, verdict.get("cause", "")), "trace": number})
    pairs = {(one["from"]["node"], one["to"]["node"] or one["to"]["address"]): n for n, one in enumerate(traces)}
    for result in results:
        if not result["ok"]:
            text = f"{result['scope']}, {result['kind']}, {result['source']} → {result['target']}: {result['reason']}"
            address = result.get("address", "")
            known = pairs.get((where.get(result["source"], result["node"]), at.get(address, address)))
            verdict = (traces[known]["verdict"] or {}) if known is not None else {}
            found.append({**_failure("probe", text, verdict, verdict.get("cause", "")), "trace": known})
    return found


def _failure(kind: str, text: str, about: dict, cause: str) -> dict[str, Any]:
    return {
        "kind": kind, "text": text, "node": about.get("node", ""), "step": about.get("step", ""), "cause": cause,
        "cure": about.get("cure", ""), "trace": None,
    }  # fmt: skip


def _between_nodes(cluster: Cluster, found: dict[str, dict]) -> list[dict]:
    """What only several nodes together can tell: clocks, versions, and what each says of itself against the API."""
    about = {node: has["about"] for node, has in found.items() if has.get("about")}
    if not about:
        return []
    checks = []
    again = "run podnet.cluster.site"
    versions = Counter(entry["library"] for entry in about.values())
    usual = versions.most_common(1)[0][0]
    for name, entry in sorted(about.items()):
        reason = "" if entry["library"] == usual else f"it has {entry['library'] or 'none'}, most nodes have {usual}"
        checks.append(_check("library is that of the other nodes", name, reason, name, again, "cni"))
    times = sorted(entry["time"] for entry in about.values())
    middle = times[len(times) // 2]
    for name, entry in sorted(about.items()):
        apart = abs(entry["time"] - middle)
        reason = f"it is {apart:.0f} s from the other nodes' clocks" if apart > CLOCK else ""
        cure = "start a time service (chrony, systemd-timesyncd)"
        checks.append(_check("clock is right", name, reason, name, cure))
    for node in cluster.nodes:
        lease = about.get(node.name, {}).get("lease")
        if lease:
            ours, theirs = ", ".join(sorted(lease["pod_cidrs"])), ", ".join(sorted(node.pod_cidrs))
            reason = f"the overlay has {ours}, the API {theirs}" if ours != theirs else ""
            checks.append(_check("podCIDR is what the API says", node.name, reason, node.name, again, "lease"))
            moved = lease["address"] != node.address and node.address not in lease["addresses"]
            reason = f"the overlay has {lease['address']}, the API {node.address}" if moved else ""
            checks.append(_check("address is what the API says", node.name, reason, node.name, again, "lease"))
    others = len(cluster.nodes) - 1
    for name, entry in sorted(about.items()):
        if entry["lease"]:
            reason = f"it knows {entry['peers']} peers; there are {others}" if entry["peers"] != others else ""
            checks.append(_check("peers are complete, and none is stale", name, reason, name, again, "lease"))
    return checks


def failures(report: dict[str, Any]) -> list[str]:
    """Each failure of a report in a sentence."""
    told = [entry["text"] for entry in report["failures"]]
    if not report["probes"]:
        told.append("probes: none was made, so nothing is proven")
    return told


def _check(
    check: str, subject: str, reason: str = "", node: str = "", cure: str = "", step: str = ""
) -> dict[str, Any]:
    """A check's outcome: a reason means that it failed."""
    told = {"check": check, "subject": subject, "node": node, "ok": not reason, "reason": reason}
    return {**told, "cure": cure if reason else "", "step": step if reason else ""}


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


def _complete(cluster: Cluster, found: dict[str, dict], namespace: str, port: int, sample: int) -> list[dict]:
    """Every node has made all its probes: one that could not be asked must not look healthy."""
    checks = []
    for node in cluster.nodes:
        made = len(found.get(node.name, {}).get("results", []))
        due = len(probes(cluster, node.name, namespace, port, sample))
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
