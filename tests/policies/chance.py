# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies by chance, of everything that the API has; and pods with other labels, ports, phases."""

from __future__ import annotations

from ipaddress import ip_network
from random import Random

from policies.cluster import cluster_policy, nine, policy
from policies.oracle import Cluster

KEYS = {"pod": "abc", "more": "yn", "kubernetes.io/metadata.name": "xyz", "ns": "xyz"}
NETWORKS = {
    4: [
        "10.244.0.0/16",
        "10.244.1.0/24",
        "10.244.2.0/29",
        "10.244.1.4/30",
        "192.0.2.0/24",
        "192.0.2.7/32",
        "0.0.0.0/0",
    ],
    6: ["fd00:244::/32", "fd00:244:0:1::/64", "fd00:244:0:2::/125", "2001:db8::/64", "2001:db8::7/128", "::/0"],
}
NAMES = ["serve-80", "serve-81", "nothing"]


def selector(chance: Random) -> dict:
    found: dict = {}
    if chance.random() < 0.5:
        key = chance.choice(list(KEYS))
        found["matchLabels"] = {key: chance.choice(KEYS[key])}
    for _number in range(chance.choice([0, 0, 1, 1, 2])):
        key, operator = chance.choice(list(KEYS)), chance.choice(["In", "NotIn", "Exists", "DoesNotExist"])
        values = {"values": chance.sample(KEYS[key], chance.randrange(1, 3))} if operator in ("In", "NotIn") else {}
        found.setdefault("matchExpressions", []).append({"key": key, "operator": operator, **values})
    return found


def block(chance: Random) -> dict:
    networks = NETWORKS[chance.choice([4, 6])]
    cidr = chance.choice(networks)
    inside = [each for each in networks if _inside(each, cidr)]
    return {"cidr": cidr, "except": chance.sample(inside, min(len(inside), chance.randrange(3)))}


def _inside(one: str, other: str) -> bool:
    return one != other and ip_network(one).subnet_of(ip_network(other))


def peer(chance: Random) -> dict:
    kind = chance.randrange(4)
    if kind == 0:
        return {"ipBlock": block(chance)}
    found = {"podSelector": selector(chance)} if kind != 1 else {}
    return found if kind == 2 else {**found, "namespaceSelector": selector(chance)}


def port(chance: Random) -> dict:
    found: dict = {} if chance.random() < 0.4 else {"protocol": chance.choice(["TCP", "UDP", "SCTP"])}
    kind = chance.randrange(4)
    if kind == 0:
        return {**found, "port": chance.choice(NAMES)}
    if kind == 1:
        return {**found, "port": chance.choice([1, 79, 80, 81]), "endPort": chance.choice([81, 82, 65535])}
    return {**found, "port": chance.choice([80, 81, 82])} if kind == 2 else found


def rule(chance: Random, side: str) -> dict:
    found: dict = {}
    if chance.random() < 0.8:
        found[side] = [peer(chance) for _number in range(chance.randrange(4))]
    if chance.random() < 0.6:
        found["ports"] = [port(chance) for _number in range(chance.randrange(4))]
    return found


def namespaced(chance: Random, number: int) -> dict:
    spec: dict = {"podSelector": selector(chance) if chance.random() < 0.6 else {}}
    if chance.random() < 0.7:
        spec["policyTypes"] = chance.choice([["Ingress"], ["Egress"], ["Ingress", "Egress"]])
    for direction, side in (("ingress", "from"), ("egress", "to")):
        if chance.random() < 0.7:
            spec[direction] = [rule(chance, side) for _number in range(chance.randrange(4))]
    return policy(f"p{number}", chance.choice("xyz"), **spec)


def tiered(chance: Random, number: int) -> dict:
    rules = {
        direction: [_tiered_rule(chance, side) for _number in range(chance.randrange(4))]
        for direction, side in (("ingress", "from"), ("egress", "to"))
    }
    # of equal priorities the API says nothing
    return cluster_policy(f"c{number}", chance.choice(["Admin", "Baseline"]), number, _pods(chance), **rules)


def _pods(chance: Random) -> dict:
    if chance.random() < 0.5:
        return {"namespaces": selector(chance)}
    return {"pods": {"namespaceSelector": selector(chance), "podSelector": selector(chance)}}


def _tiered_rule(chance: Random, side: str) -> dict:
    peers = [_pods(chance) for _number in range(chance.randrange(1, 3))]
    if side == "to" and chance.random() < 0.3:
        peers.append({"networks": chance.sample(NETWORKS[chance.choice([4, 6])], 2)})
    found = {"action": chance.choice(["Accept", "Deny", "Pass"]), side: peers}
    if chance.random() < 0.5:
        found["protocols"] = [_protocol(chance) for _number in range(chance.randrange(1, 3))]
    return found


def _protocol(chance: Random) -> dict:
    if chance.random() < 0.2:
        return {"destinationNamedPort": chance.choice(NAMES)}
    number = {"number": chance.choice([80, 81])} if chance.random() < 0.6 else {"range": {"start": 80, "end": 81}}
    return {chance.choice(["tcp", "udp", "sctp"]): {"destinationPort": number} if chance.random() < 0.8 else {}}


def cluster(chance: Random) -> Cluster:
    """The nine pods, some with other labels or ended, and up to seven policies."""
    found = nine()
    for pod in found.pods:
        if chance.random() < 0.3:
            pod["metadata"]["labels"]["more"] = chance.choice("yn")
        if chance.random() < 0.1:
            pod["spec"]["containers"][0]["ports"] = []
    found.policies = [namespaced(chance, number) for number in range(chance.randrange(6))]
    found.cluster_policies = [tiered(chance, number) for number in range(chance.choice([0, 0, 1, 2, 3]))]
    return found
