# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated cases: each a list of NetworkPolicies (and ClusterNetworkPolicies) for the cluster of nine pods."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

from policies.cluster import cluster_policy, policy

IN = {"matchExpressions": [{"key": "pod", "operator": "In", "values": ["b", "c"]}]}
NOT_IN = {"matchExpressions": [{"key": "pod", "operator": "NotIn", "values": ["a"]}]}
EXISTS = {"matchExpressions": [{"key": "pod", "operator": "Exists"}]}
MISSING = {"matchExpressions": [{"key": "pod", "operator": "DoesNotExist"}]}
POD_SELECTORS = {"all": {}, "a": {"matchLabels": {"pod": "a"}}, "in": IN, "not in": NOT_IN, "exists": EXISTS}
NAMESPACE_SELECTORS = {
    "all": {},
    "x": {"matchLabels": {"ns": "x"}},
    "in": {"matchExpressions": [{"key": "ns", "operator": "In", "values": ["y", "z"]}]},
    "not in": {"matchExpressions": [{"key": "ns", "operator": "NotIn", "values": ["x"]}]},
    "none": {"matchLabels": {"ns": "nowhere"}},
}
BLOCKS = {
    "everything": {"cidr": "0.0.0.0/0"},
    "everything, IPv6": {"cidr": "::/0"},
    "outside": {"cidr": "192.0.2.0/24"},
    "outside, IPv6": {"cidr": "2001:db8::/32"},
    "a node's pods": {"cidr": "10.244.1.0/24", "except": ["10.244.1.2/32"]},
    "a node's pods, IPv6": {"cidr": "fd00:244:0:1::/64", "except": ["fd00:244:0:1::2/128", "fd00:244:0:1::4/126"]},
    "one pod": {"cidr": "10.244.2.3/32"},
    "all but two blocks": {"cidr": "0.0.0.0/0", "except": ["10.244.1.0/24", "192.0.2.0/24"]},
}
PORTS = {
    "TCP": {"protocol": "TCP"},
    "UDP": {"protocol": "UDP"},
    "SCTP": {"protocol": "SCTP"},
    "80": {"port": 80},
    "81 of UDP": {"port": 81, "protocol": "UDP"},
    "80 of SCTP": {"port": 80, "protocol": "SCTP"},
    "79 to 80": {"port": 79, "endPort": 80},
    "80 to 81": {"port": 80, "endPort": 81, "protocol": "UDP"},
    "named": {"port": "serve-80"},
    "named, UDP": {"port": "serve-80", "protocol": "UDP"},
    "named, SCTP": {"port": "serve-81", "protocol": "SCTP"},
    "a name that no pod has": {"port": "nothing"},
}
SIDES = {"ingress": "from", "egress": "to"}


def _of(direction: str, *rules: dict, own: str = "x", name: str = "p", **spec) -> dict:
    return policy(name, own, policyTypes=[direction.capitalize()], **{direction: list(rules)}, **spec)


def _peers() -> dict[str, dict]:
    found = {f"pods {name}": {"podSelector": selector} for name, selector in POD_SELECTORS.items()}
    found["pods missing"] = {"podSelector": MISSING}
    for name, selector in NAMESPACE_SELECTORS.items():
        found[f"namespaces {name}"] = {"namespaceSelector": selector}
        for pods, inner in POD_SELECTORS.items():
            found[f"namespaces {name}, pods {pods}"] = {"namespaceSelector": selector, "podSelector": inner}
    return {**found, **{f"block {name}": {"ipBlock": block} for name, block in BLOCKS.items()}}


def _of_peers() -> Iterator[tuple[str, list[dict]]]:
    for direction, side in SIDES.items():
        for name, peer in _peers().items():
            yield f"{direction}: {name}", [_of(direction, {side: [peer]})]
        for name, peer in list(_peers().items())[::5]:
            both = [peer, {"ipBlock": BLOCKS["one pod"]}]
            yield f"{direction}: {name} or one pod's block", [_of(direction, {side: both})]
            rule = {side: [peer], "ports": [PORTS["80"]]}
            yield f"{direction}: {name}, port 80", [_of(direction, rule)]


def _of_ports() -> Iterator[tuple[str, list[dict]]]:
    for direction, side in SIDES.items():
        for name, port in PORTS.items():
            yield f"{direction}: ports {name}", [_of(direction, {"ports": [port]})]
        for one, other in list(combinations(PORTS, 2))[::4]:
            rule = {"ports": [PORTS[one], PORTS[other]], side: [{"podSelector": {}}]}
            yield f"{direction}: ports {one} or {other}", [_of(direction, rule)]
        block = {
            side: [{"ipBlock": BLOCKS["a node's pods"]}, {"ipBlock": BLOCKS["outside"]}],
            "ports": [PORTS["named"]],
        }
        yield f"{direction}: named ports in blocks", [_of(direction, block)]
        several = {"ports": [{"port": number} for number in (80, 443, 8080, 82)]}
        yield f"{direction}: several ports", [_of(direction, several)]


def _of_types() -> Iterator[tuple[str, list[dict]]]:
    rule = {"podSelector": {"matchLabels": {"pod": "a"}}}
    for types, ingress, egress in product(
        (None, ["Ingress"], ["Egress"], ["Ingress", "Egress"]), *[(None, [], "r")] * 2
    ):
        spec = {"policyTypes": types} if types else {}
        if ingress is not None:
            spec["ingress"] = [{"from": [rule]}] if ingress else []
        if egress is not None:
            spec["egress"] = [{"to": [rule]}] if egress else []
        yield f"types {types}, ingress {ingress}, egress {egress}", [policy("p", "x", **spec)]


def _of_targets() -> Iterator[tuple[str, list[dict]]]:
    for name, selector in {**POD_SELECTORS, "missing": MISSING}.items():
        for direction in SIDES:
            yield f"{direction}: denied to {name}", [_of(direction, podSelector=selector)]
            yield f"{direction}: all allowed to {name}", [_of(direction, {}, podSelector=selector)]


def _of_conflicts() -> Iterator[tuple[str, list[dict]]]:
    deny, allow = {"name": "deny"}, {"name": "allow"}
    for one, other in product(SIDES, SIDES):
        yield f"{one} denied in x, {other} allowed in x", [_of(one, **deny), _of(other, {}, **allow)]
        yield f"{one} denied in x, {other} denied in y", [_of(one, **deny), _of(other, own="y", **deny)]
    for direction, side in SIDES.items():
        for name, peer in list(_peers().items())[::6]:
            some = _of(direction, {side: [peer], "ports": [PORTS["80"]]}, **allow)
            yield f"{direction}: denied, and {name} allowed", [_of(direction, **deny), some]
            more = _of(direction, {side: [{"ipBlock": BLOCKS["all but two blocks"]}]}, name="more")
            yield f"{direction}: {name}, and a block with exceptions", [some, more]
    everywhere = [_of(direction, own=own, name=f"deny-{direction}") for own in "xyz" for direction in SIDES]
    yield "everything denied", everywhere
    dns = _of("egress", {"ports": [PORTS["UDP"]]}, name="dns")
    yield "everything denied but UDP out of x", [*everywhere, dns]


def _of_tiers() -> Iterator[tuple[str, list[dict]]]:
    """ClusterNetworkPolicies, alone and with NetworkPolicies beside them."""
    of_x = {"namespaces": {"matchLabels": {"ns": "x"}}}
    pods_a = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"pod": "a"}}}}
    ports = [
        {"tcp": {"destinationPort": {"number": 80}}},
        {"udp": {"destinationPort": {"range": {"start": 80, "end": 90}}}},
    ]
    peers = {"namespaces": {"namespaces": {}}, "pods a": pods_a}
    for tier, action, (direction, side) in product(("Admin", "Baseline"), ("Accept", "Deny", "Pass"), SIDES.items()):
        beside = {"alone": [], "denied": [_of(direction)], "allowed": [_of(direction, {})]}
        for name, others in beside.items():
            for peer, wanted in peers.items():
                rule = {"action": action, side: [wanted], **({"protocols": ports} if peer == "pods a" else {})}
                found = cluster_policy("one", tier, 10, of_x, **{direction: [rule]})
                yield f"{tier} {action} {direction} {peer}, {name}", [found, *others]
    for first, second in product(("Accept", "Deny", "Pass"), repeat=2):
        one = cluster_policy("one", "Admin", 1, pods_a, ingress=[{"action": first, "from": [of_x]}])
        other = cluster_policy("other", "Admin", 2, of_x, ingress=[{"action": second, "from": [{"namespaces": {}}]}])
        last = cluster_policy("last", "Baseline", 0, of_x, ingress=[{"action": "Deny", "from": [{"namespaces": {}}]}])
        yield f"Admin {first} before {second}", [one, other]
        yield f"Admin {first} before {second}, Baseline Deny", [one, other, last]
        turned = {**one, "spec": {**one["spec"], "priority": 3}}
        yield f"Admin {first} after {second}", [turned, other]
    networks = [{"networks": ["192.0.2.0/24", "2001:db8::/32"]}, {"networks": ["10.244.2.0/24"]}]
    for action in ("Accept", "Deny", "Pass"):
        rules = [{"action": action, "to": networks}, {"action": "Deny", "to": [{"networks": ["0.0.0.0/0", "::/0"]}]}]
        yield f"networks {action}, then Deny", [cluster_policy("one", "Admin", 5, of_x, egress=rules)]
        named = [{"action": action, "to": [{"namespaces": {}}], "protocols": [{"destinationNamedPort": "serve-80"}]}]
        yield f"named port {action}", [cluster_policy("one", "Admin", 5, of_x, egress=named), _of("egress")]


def cases() -> Iterator[tuple[str, list[dict]]]:
    """(name, policies) of each; a ClusterNetworkPolicy is one without a namespace."""
    for each in (_of_peers, _of_ports, _of_types, _of_targets, _of_conflicts, _of_tiers):
        yield from each()
