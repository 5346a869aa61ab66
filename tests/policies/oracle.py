# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oracle: whether a connection passes, judged straight from the API's objects, as the API's documentation has it.

It is written from types.go of networking/v1 and policy.networking.k8s.io/v1alpha2, evaluates every object for every
question, and shares no code with what it judges.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import lru_cache

ip_address, ip_network = lru_cache(None)(ipaddress.ip_address), lru_cache(None)(ipaddress.ip_network)


@dataclass
class Cluster:
    """Objects as the API has them."""

    namespaces: list[dict] = field(default_factory=list)
    pods: list[dict] = field(default_factory=list)
    policies: list[dict] = field(default_factory=list)
    cluster_policies: list[dict] = field(default_factory=list)


def passes(cluster: Cluster, source: str, target: str, protocol: str, port: int | None) -> bool:
    """Whether a new connection from one address to another passes: egress of the source's pod, and ingress of the
    target's. ``protocol`` "TCP", "UDP", "SCTP", or another, which has no port."""
    here, there = pod_at(cluster, source), pod_at(cluster, target)
    packet = (protocol, port)
    return (here is None or _direction(cluster, "egress", here, there, target, packet, there)) and (
        there is None or _direction(cluster, "ingress", there, here, source, packet, there)
    )


def pod_at(cluster: Cluster, address: str) -> dict | None:
    """The pod that has the address and lives; of the host's network never one."""
    for pod in cluster.pods:
        if pod["spec"].get("hostNetwork") or pod["status"].get("phase") in ("Succeeded", "Failed"):
            continue
        if any(_same(each["ip"], address) for each in pod["status"].get("podIPs", [])):
            return pod
    return None


def _same(one: str, other: str) -> bool:
    return one == other or ip_address(one) == ip_address(other)


def _direction(cluster, direction, subject, peer, address, packet, target) -> bool:
    for tier in ("Admin", None, "Baseline"):
        if tier is None:
            answer = _namespaced(cluster, direction, subject, peer, address, packet, target)
        else:
            answer = _tier(cluster, tier, direction, subject, peer, address, packet, target)
        if answer is not None:
            return answer
    return True


def _namespaced(cluster, direction, subject, peer, address, packet, target) -> bool | None:
    """None where no policy isolates the pod."""
    isolated = False
    for policy in cluster.policies:
        spec = policy["spec"]
        if policy["metadata"]["namespace"] != subject["metadata"]["namespace"]:
            continue
        if not selects(spec.get("podSelector") or {}, _labels(subject)):
            continue
        types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
        if direction.capitalize() not in types:
            continue
        isolated = True
        for rule in spec.get(direction) or []:
            peers = rule.get("from" if direction == "ingress" else "to")
            if peers and not any(_is_peer(cluster, each, policy, peer, address) for each in peers):
                continue
            ports = rule.get("ports")
            if ports and not any(_is_port(each, packet, target) for each in ports):
                continue
            return True
    if isolated and peer is subject:
        return True  # a pod cannot block access to itself
    return False if isolated else None


def _is_peer(cluster, wanted, policy, peer, address) -> bool:
    block = wanted.get("ipBlock")
    if block is not None:
        return _in(address, block["cidr"]) and not any(_in(address, each) for each in block.get("except") or [])
    if peer is None or (wanted.get("podSelector") is None and wanted.get("namespaceSelector") is None):
        return False
    if wanted.get("namespaceSelector") is None:
        if peer["metadata"]["namespace"] != policy["metadata"]["namespace"]:
            return False
    elif not selects(wanted["namespaceSelector"], _namespace_labels(cluster, peer)):
        return False
    return wanted.get("podSelector") is None or selects(wanted["podSelector"], _labels(peer))


def _is_port(wanted, packet, target) -> bool:
    protocol, port = packet
    if wanted.get("protocol", "TCP") != protocol:
        return False
    if "port" not in wanted:
        return True
    if isinstance(wanted["port"], str):
        return port in _named(target, wanted["port"], protocol)
    return wanted["port"] <= port <= wanted.get("endPort", wanted["port"])


def _named(pod, name, protocol) -> list[int]:
    """The numbers that a pod's running containers give a name for a protocol (None: any)."""
    if pod is None:
        return []
    spec = pod["spec"]
    containers = spec.get("containers", [])
    containers = containers + [each for each in spec.get("initContainers", []) if each.get("restartPolicy") == "Always"]
    return [
        port["containerPort"]
        for container in containers
        for port in container.get("ports", [])
        if port.get("name") == name and port.get("protocol", "TCP") == protocol
    ]


def _tier(cluster, tier, direction, subject, peer, address, packet, target) -> bool | None:
    """The first rule that matches, by priority; None where none does, or it passes."""
    policies = [each for each in cluster.cluster_policies if each["spec"]["tier"] == tier]
    for policy in sorted(policies, key=lambda each: (each["spec"]["priority"], each["metadata"]["name"])):
        spec = policy["spec"]
        if not _is_cluster_peer(cluster, spec["subject"], subject, None):
            continue
        for rule in spec.get(direction) or []:
            if not _rule_matches(cluster, rule, direction, peer, address, packet, target):
                continue
            return {"Accept": True, "Deny": False, "Pass": None}[rule["action"]]
    return None


def _rule_matches(cluster, rule, direction, peer, address, packet, target) -> bool:
    peers = rule["from" if direction == "ingress" else "to"]
    if not any(_is_cluster_peer(cluster, each, peer, address) for each in peers):
        return False
    protocols = rule.get("protocols")
    return not protocols or any(_is_cluster_port(each, packet, target) for each in protocols)


def _is_cluster_peer(cluster, wanted, pod, address) -> bool:
    if "networks" in wanted:
        return any(_in(address, each) for each in wanted["networks"])
    if pod is None:
        return False
    if "namespaces" in wanted:
        return selects(wanted["namespaces"], _namespace_labels(cluster, pod))
    pods = wanted["pods"]
    around = selects(pods.get("namespaceSelector") or {}, _namespace_labels(cluster, pod))
    return around and selects(pods["podSelector"], _labels(pod))


def _is_cluster_port(wanted, packet, target) -> bool:
    protocol, port = packet
    if "destinationNamedPort" in wanted:
        return port is not None and port in _named(target, wanted["destinationNamedPort"], protocol)
    if protocol.lower() not in wanted:
        return False
    number = wanted[protocol.lower()].get("destinationPort")
    if number is None:
        return True
    if "range" in number:
        return number["range"]["start"] <= port <= number["range"]["end"]
    return number["number"] == port


def selects(selector: dict, labels: dict) -> bool:
    """A LabelSelector."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions") or []:
        there = expression["key"] in labels
        listed = there and labels[expression["key"]] in expression.get("values", [])
        if not {"In": listed, "NotIn": not listed, "Exists": there, "DoesNotExist": not there}[expression["operator"]]:
            return False
    return True


def _labels(thing: dict) -> dict:
    return thing["metadata"].get("labels") or {}


def _namespace_labels(cluster, pod) -> dict:
    (found,) = [each for each in cluster.namespaces if each["metadata"]["name"] == pod["metadata"]["namespace"]]
    return _labels(found)


@lru_cache(None)
def _in(address: str, network: str) -> bool:
    ip, net = ip_address(address), ip_network(network, strict=False)
    return ip.version == net.version and ip in net
