# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of a cluster as a whole: what the API says of it, what its nodes say of themselves, and whether both agree."""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from typing import Any

from ..cluster.api import Cluster
from ..cluster.matrix import DNS, probes, workload

#: Seconds that nodes' clocks may differ; the nodes are asked within the same seconds, not at the same time.
CLOCK = 10
AGAIN = "run podnet.cluster.site"


def of_api(cluster: Cluster, namespace: str) -> list[dict]:
    """What the API alone tells."""
    return [*_nodes(cluster), *_pods(cluster, namespace), *_addresses(cluster), *_resolver(cluster)]


def of_nodes(
    cluster: Cluster, found: dict[str, dict], namespace: str, port: int, sample: int, tunnel: bool, library: str
) -> list[dict]:
    """What the nodes tell, each against the API and against the others; see ``report.report`` for what is given."""
    return [
        *_attachments(cluster, found, namespace),
        *_complete(cluster, found, namespace, port, sample),
        *_between_nodes(cluster, found, library),
        *(check for node in sorted(found) for check in found[node].get("checks", [])),
        *(_tunnels(cluster, found, namespace) if tunnel else []),
    ]


def _check(
    check: str, subject: str, reason: str = "", node: str = "", cure: str = "", step: str = ""
) -> dict[str, Any]:
    """A check's outcome: a reason means that it failed."""
    told = {"check": check, "subject": subject, "node": node, "ok": not reason, "reason": reason}
    return {**told, "cure": cure if reason else "", "step": step if reason else ""}


def _between_nodes(cluster: Cluster, found: dict[str, dict], library: str) -> list[dict]:
    """What only several nodes together can tell: clocks, versions, and what each says of itself against the API."""
    about = {node: has["about"] for node, has in found.items() if has.get("about")}
    if not about:
        return []
    checks = []
    versions = Counter(entry["library"] for entry in about.values())
    wanted = library or versions.most_common(1)[0][0]
    who = "this collection has" if library else "most nodes have"
    for name, entry in sorted(about.items()):
        reason = "" if entry["library"] == wanted else f"it has {entry['library'] or 'none'}, {who} {wanted}"
        checks.append(_check("library is the same everywhere", name, reason, name, AGAIN, "cni"))
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
            checks.append(_check("podCIDR is what the API says", node.name, reason, node.name, AGAIN, "lease"))
            moved = lease["address"] != node.address and node.address not in lease["addresses"]
            reason = f"the overlay has {lease['address']}, the API {node.address}" if moved else ""
            checks.append(_check("address is what the API says", node.name, reason, node.name, AGAIN, "lease"))
    others = len(cluster.nodes) - 1
    for name, entry in sorted(about.items()):
        if entry["lease"]:
            reason = f"it knows {entry['peers']} peers; there are {others}" if entry["peers"] != others else ""
            checks.append(_check("peers are complete, and none is stale", name, reason, name, AGAIN, "lease"))
    return [*checks, *_own_addresses(about)]


def _own_addresses(about: dict[str, dict]) -> list[dict]:
    """No two nodes have one address on the underlay, or one MAC address there or on the tunnel's device."""
    holders: dict[str, list[str]] = defaultdict(list)
    for name, entry in sorted(about.items()):
        for address in entry.get("addresses", []):
            holders[address].append(name)
    checks = []
    for name, entry in sorted(about.items()):
        twice = [address for address in entry.get("addresses", []) if len(holders[address]) > 1]
        told = [f"{each} is on {' and '.join(holders[each])}" for each in twice]
        cure = f"take {', '.join(twice)} from all nodes but the one that it belongs to"
        checks.append(_check("addresses are the node's own", name, "; ".join(told), name, cure, "underlay"))
    return checks


def _nodes(cluster: Cluster) -> list[dict]:
    look = "systemctl status kubelet containerd; journalctl -u kubelet"
    return [
        _check("node is Ready", node.name, "" if node.ready else node.reason or "not Ready", node.name, look)
        for node in cluster.nodes
    ]


def _pods(cluster: Cluster, namespace: str) -> list[dict]:
    checks = []
    for pod in cluster.pods:
        if pod.name.startswith(f"{namespace}/"):
            reason = "" if pod.ready else f"not Ready on {pod.node or 'any node'}"
            checks.append(_check("pod is Ready", pod.name, reason, pod.node, _describe(pod.name)))
    return checks


def _describe(name: str) -> str:
    return "kubectl --namespace {} describe pod {}".format(*name.split("/"))


def _resolver(cluster: Cluster) -> list[dict]:
    """Where the cluster has a resolver, a pod is behind it."""
    service = next((one for one in cluster.services if one.name == DNS), None)
    if service is None:
        return []
    ready = any(pod.ready for pod in cluster.behind(service))
    reason = "" if ready else f"no ready pod is behind {DNS} ({service.address}): pods can't resolve names"
    cure = "kubectl --namespace kube-system get pods --selector k8s-app=kube-dns --output wide; describe them"
    return [_check("DNS is served", DNS, reason, "", cure, "service")]


def _addresses(cluster: Cluster) -> list[dict]:
    """Every pod's address lies inside its node's podCIDR, and no other pod has it; no two nodes' podCIDRs overlap."""
    checks = []
    cidrs = {node.name: [ipaddress.ip_network(cidr) for cidr in node.pod_cidrs] for node in cluster.nodes}
    shared = _overlapping(cidrs)
    for node in cluster.nodes:
        reason = "" if cidrs[node.name] else "the API has given it none"
        if node.name in shared:
            other = shared[node.name]
            reason = f"{', '.join(node.pod_cidrs)} overlaps {', '.join(map(str, cidrs[other]))} of {other}"
        cure = f"kubectl get nodes; take {node.name} out (podnet.cluster.remove_node) and add it again"
        checks.append(_check("podCIDR is the node's own", node.name, reason, node.name, cure, "lease"))
    pods = [pod for pod in cluster.pods if not pod.host_network and pod.address]
    holders: dict[str, list[str]] = defaultdict(list)
    for pod in pods:
        holders[pod.address].append(pod.name)
    for pod in pods:
        inside = any(ipaddress.ip_address(pod.address) in cidr for cidr in cidrs.get(pod.node, []))
        where = ", ".join(map(str, cidrs.get(pod.node, []))) or "none"
        outside = f"{pod.address} is outside {pod.node}'s podCIDR, {where}"
        again = "kubectl --namespace {} delete pod {}".format(*pod.name.split("/"))
        checks.append(_check("address is in the podCIDR", pod.name, "" if inside else outside, pod.node, again, "ipam"))
        others = [name for name in holders[pod.address] if name != pod.name]
        twice = f"{pod.address} is also that of {', '.join(others)}" if others else ""
        checks.append(_check("address is unique", pod.name, twice, pod.node, again, "deliver"))
    return checks


def _overlapping(cidrs: dict[str, list[ipaddress.IPv4Network | ipaddress.IPv6Network]]) -> dict[str, str]:
    """The nodes whose podCIDRs overlap another's, each with one of those: in one pass over all, by where they begin."""
    blocks = sorted(
        (cidr.version, int(cidr.network_address), int(cidr.broadcast_address), name)
        for name, own in cidrs.items()
        for cidr in own
    )
    found: dict[str, str] = {}
    before = None
    for block in blocks:
        if before and before[0] == block[0] and block[1] <= before[2] and before[3] != block[3]:
            found.setdefault(before[3], block[3])
            found.setdefault(block[3], before[3])
        if before is None or before[0] != block[0] or block[2] > before[2]:
            before = block
    return found


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
            again = "kubectl --namespace {} delete pod {}".format(*name.split("/"))
            checks.append(_check("address is what the node has", name, reason, node, again, "pod"))
    return checks


def _complete(cluster: Cluster, found: dict[str, dict], namespace: str, port: int, sample: int) -> list[dict]:
    """Every node has made all its probes: one that could not be asked must not look healthy."""
    checks = []
    for node in cluster.nodes:
        made = len(found.get(node.name, {}).get("results", []))
        due = len(probes(cluster, node.name, namespace, port, sample))
        reason = "" if made == due else f"{made} of {due} probes were made"
        cure = "is it in the inventory, and does Ansible reach it? (ansible -m ping)"
        checks.append(_check("node was asked", node.name, reason, node.name, cure))
    return checks


def _tunnels(cluster: Cluster, found: dict[str, dict], namespace: str) -> list[dict]:
    """Between any two nodes between whose pods probes were sent, packets were seen on the underlay as VXLAN: out at one
    end, in from the other.
    """
    checks = []
    addresses = {node.name: node.address for node in cluster.nodes}
    for node, peers in sorted(_probed(cluster, found, namespace).items()):
        seen = {(flow["way"], flow["source"], flow["destination"]) for flow in found[node].get("flows", [])}
        for peer in sorted(peers):
            here, there = addresses[node], addresses[peer]
            missing = [
                text
                for text, flow in ((f"to {there}", ("out", here, there)), (f"from {there}", ("in", there, here)))
                if flow not in seen
            ]
            reason = f"no VXLAN packet {' and none '.join(missing)} was seen on the underlay" if missing else ""
            cure = f"podnet.cluster.trace -e from={node} -e to={peer}'s pod tells where they are lost"
            checks.append(_check("packets travel in the tunnel", f"{node} ↔ {peer}", reason, "", cure, "wire"))
    return checks


def _probed(cluster: Cluster, found: dict[str, dict], namespace: str) -> dict[str, set[str]]:
    """For each node that was asked the others with which its pods exchanged probes, whoever began."""
    pods = workload(cluster, namespace)
    by_name, by_address = ({getattr(pod, key): pod.node for pod in pods} for key in ("name", "address"))
    pairs: dict[str, set[str]] = defaultdict(set)
    for answer in found.values():
        for result in answer.get("results", []):
            one, other = by_name.get(result["source"]), by_address.get(result.get("address", ""))
            if one and other and one != other and one in found and other in found:
                pairs[one].add(other)
                pairs[other].add(one)
    return pairs
