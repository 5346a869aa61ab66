# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that come, change and go, and what feeds them to a compiler."""

from __future__ import annotations

import random

from ansible_collections.podnet.cluster.plugins.module_utils.policy import read
from ansible_collections.podnet.cluster.plugins.module_utils.policy.compile import Compiler
from ansible_collections.podnet.cluster.plugins.module_utils.policy.model import ClusterPolicy, Namespace, Pod, Policy

from policies.cases import cases
from policies.cluster import NODES, namespace, nine, pod
from policies.oracle import Cluster

CASES = [policies for _name, policies in cases()]


def record(item: dict):
    """An API object as its record; None for a pod that does not count."""
    if "subject" in item.get("spec", {}):
        return read.cluster_policy(item)
    if "podSelector" in item.get("spec", {}):
        return read.policy(item)
    return read.pod(item) if "status" in item else read.namespace(item)


def events(seed: int) -> list[tuple[str, dict]]:
    """Objects that come, change and go, at random but the same for a seed."""
    chance = random.Random(seed)
    cluster = nine()
    known = [("put", item) for item in (*cluster.namespaces, *cluster.pods)]
    chance.shuffle(known)
    for number in range(60):
        kind = chance.randrange(6)
        name = chance.choice("abcdef")
        own = chance.choice("xyz")
        if kind == 0:
            labels = {"pod": chance.choice("abc"), **({"more": "yes"} if chance.random() < 0.3 else {})}
            node = chance.choice(list(NODES))
            # two pods elsewhere may have one address for a moment
            number = 20 + 6 * "xyz".index(own) + "abcdef".index(name) if node == "node1" else chance.randrange(2, 30)
            item = pod(name, own, node, number, labels)
            if chance.random() < 0.2:
                item["status"]["phase"] = "Succeeded"
        elif kind == 1:
            item = namespace(own, **({"ns": chance.choice("xyz")} if chance.random() < 0.5 else {}))
        else:
            item = chance.choice(chance.choice(CASES))
            item = {**item, "metadata": {**item["metadata"], "name": f"p{number % 7}"}}
            if "namespace" in item["metadata"]:
                item["metadata"]["namespace"] = own
        known.insert(chance.randrange(len(known)), (chance.choice(["put", "put", "drop"]), item))
    return known


def key(item: dict) -> tuple[type, str]:
    parts = [item["metadata"][part] for part in ("namespace", "name") if part in item["metadata"]]
    if "podSelector" in item.get("spec", {}):
        kind = Policy
    elif "subject" in item.get("spec", {}):
        kind = ClusterPolicy
    else:
        kind = Pod if "status" in item else Namespace
    return kind, "/".join(parts)


def happen(compiler: Compiler, action: str, item: dict) -> None:
    found = record(item) if action == "put" else None
    if found is None:
        compiler.drop(*key(item))
    else:
        compiler.put(found)


def of_case(policies: list[dict]) -> Cluster:
    """The cluster of nine pods with these policies."""
    cluster = nine()
    for item in policies:
        (cluster.policies if "namespace" in item["metadata"] else cluster.cluster_policies).append(item)
    return cluster


def compilers(cluster: Cluster) -> dict[str, Compiler]:
    """A compiler for each node that knows the whole cluster."""
    found = {}
    for node, networks in NODES.items():
        found[node] = compiler = Compiler(node, networks, ["cni0"])
        for item in (*cluster.namespaces, *cluster.pods, *cluster.policies, *cluster.cluster_policies):
            happen(compiler, "put", item)
        compiler.take()
    return found
