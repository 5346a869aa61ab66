# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small cluster for policies: three namespaces of three pods each on two nodes, in both families."""

from __future__ import annotations

from policies.oracle import Cluster

NODES = {"node1": ["10.244.1.0/24", "fd00:244:0:1::/64"], "node2": ["10.244.2.0/24", "fd00:244:0:2::/64"]}
#: Hosts outside of the pod network.
OUTSIDE = {4: "192.0.2.7", 6: "2001:db8::7"}


def namespace(name: str, **labels: str) -> dict:
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, "ns": name, **labels}}}


def pod(name: str, own: str, node: str, number: int, labels: dict, ports: list[dict] | None = None) -> dict:
    """A pod NAME in namespace OWN, with address NUMBER of its node's pod CIDRs."""
    along = node.removeprefix("node")
    return {
        "metadata": {"name": name, "namespace": own, "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": "c", "ports": PORTS if ports is None else ports}]},
        "status": {
            "phase": "Running",
            "podIPs": [{"ip": f"10.244.{along}.{number}"}, {"ip": f"fd00:244:0:{along}::{number:x}"}],
        },
    }


#: The same names are other numbers in pods whose name is b.
PORTS = [
    {"name": "serve-80", "containerPort": 80},
    {"name": "serve-81", "containerPort": 81},
    {"name": "serve-80", "containerPort": 80, "protocol": "UDP"},
    {"name": "serve-81", "containerPort": 81, "protocol": "SCTP"},
]
SWAPPED = [
    {"name": "serve-80", "containerPort": 81},
    {"name": "serve-81", "containerPort": 80},
    {"name": "serve-81", "containerPort": 80, "protocol": "UDP"},
]


def nine() -> Cluster:
    """Namespaces x, y, z with pods a, b, c; b on node2, the others on node1."""
    cluster = Cluster([namespace(name) for name in "xyz"])
    number = 2
    for own in "xyz":
        for name in "abc":
            node = "node2" if name == "b" else "node1"
            cluster.pods.append(pod(name, own, node, number, {"pod": name}, SWAPPED if name == "b" else PORTS))
            number += 1
    return cluster


def policy(name: str, own: str, **spec) -> dict:
    """A NetworkPolicy; of all pods unless SPEC says which."""
    return {"metadata": {"name": name, "namespace": own}, "spec": {"podSelector": {}, **spec}}


def cluster_policy(name: str, tier: str, priority: int, subject: dict, **rules) -> dict:
    return {"metadata": {"name": name}, "spec": {"tier": tier, "priority": priority, "subject": subject, **rules}}


def address(pod: dict, family: int) -> str:
    """The pod's address of that family."""
    return pod["status"]["podIPs"][0 if family == 4 else 1]["ip"]
