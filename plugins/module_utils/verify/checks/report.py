# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on a cluster: probes, and what the API says against what the nodes have."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from ..cluster.api import Cluster
from ..cluster.matrix import workload
from . import cluster as cluster_checks

SCHEMA = 2


def report(
    cluster: Cluster,
    found: dict[str, dict],
    namespace: str,
    port: int,
    tunnel: bool,
    traces: list[dict] | None = None,
    sample: int = 0,
    library: str = "",
) -> dict[str, Any]:
    """Everything that verification found, ready for JSON; docs/verify-report.md describes it.

    found    for each node the ``probe`` module's result: ``results``, ``flows``, ``attachments``, ``vteps``, ``checks``
             and ``about``
    tunnel   whether packets between nodes must travel as VXLAN
    traces   the ways that were followed because probes on them failed (``follow.judge``)
    sample   how many others each source probed at most, 0 for all
    library  the version of the library that the nodes must have; without it, that of most of them
    """
    checks = [
        *cluster_checks.of_api(cluster, namespace),
        *cluster_checks.of_nodes(cluster, found, namespace, port, sample, tunnel, library),
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
    """How many of all pairs of the workload's pods, and of the nodes that they are on, were probed; how many others
    each pod probed at least, and by how many it was."""
    pods = {pod.address: pod for pod in workload(cluster, namespace)}
    by_name = {pod.name: pod for pod in pods.values()}
    probed = {(result["source"], result.get("address", "")) for result in results}
    pairs = {(source, address) for source, address in probed if source in by_name and address in pods}
    nodes = {(by_name[source].node, pods[address].node) for source, address in pairs}
    busy = {pod.node for pod in pods.values()}
    sent, reached = Counter(source for source, _address in pairs), Counter(address for _source, address in pairs)
    return {
        "from_each_pod": min((sent[name] for name in by_name), default=0),
        "to_each_pod": min((reached[address] for address in pods), default=0),
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


def failures(report: dict[str, Any]) -> list[str]:
    """Each failure of a report in a sentence."""
    told = [entry["text"] for entry in report["failures"]]
    if not report["probes"]:
        told.append("probes: none was made, so nothing is proven")
    return told
