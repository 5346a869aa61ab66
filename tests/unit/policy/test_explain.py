# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reason that is told for a connection agrees with what becomes of it, and what is told to pass instead passes."""

from __future__ import annotations

import random

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import pack_ip
from ansible_collections.podnet.cluster.plugins.module_utils.policy import explain, files
from ansible_collections.podnet.cluster.plugins.module_utils.policy.evaluate import Flow, judge
from ansible_collections.podnet.cluster.plugins.module_utils.policy.explanation import Ports, Reason
from policies.cases import cases
from policies.cluster import address, cluster_policy, nine, policy
from policies.events import compilers, of_case

from .test_evaluate import NUMBERS, TRAFFIC, pairs

#: Some of the cases, others in none of the runs: test_evaluate.py has all of them.
SOME = random.Random(7).sample(list(cases()), 40)
NODE1, A, C = "node1", "x/a", "x/c"


def program(*policies: dict):
    """Of node1, where pods a and c are."""
    return compilers(of_case(list(policies)))[NODE1].program


def flow(source: str, target: str, protocol: str = "TCP", port: int = 80) -> Flow:
    ends = {f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": address(pod, 4) for pod in nine().pods}
    return Flow(pack_ip(ends.get(source, source)), pack_ip(ends.get(target, target)), NUMBERS[protocol], port)


def judged(found, one: Flow) -> list[tuple]:
    return [
        (each.direction, each.accepted, each.reason, each.policies, each.rule) for each in explain.judge(found, one)
    ]


@pytest.mark.parametrize("number", range(4))
def test_the_reason_agrees_with_what_becomes_of_the_connection(number):
    for name, policies in SOME[number::4]:
        cluster = of_case(policies)
        known = {item["metadata"]["name"] for item in cluster.cluster_policies}
        known |= {f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in cluster.policies}
        for compiler in compilers(cluster).values():
            for source, target in pairs(cluster):
                for protocol, port in TRAFFIC:
                    one = Flow(pack_ip(source), pack_ip(target), NUMBERS[protocol], port or 0)
                    found = explain.judge(compiler.program, one)
                    whole = judge(compiler.program, one)
                    assert all(each.accepted for each in found) == whole.accepted, (name, one)
                    for each in found:
                        assert set(each.policies) <= known and bool(each.rule) == (each.reason is Reason.RULE)
                        if whole.accepted or each.accepted:
                            continue
                        for ports in each.allowed:
                            other = one._replace(protocol=ports.protocol, port=ports.last)
                            again = {a.direction: a for a in explain.judge(compiler.program, other)}
                            assert again[each.direction].accepted, (name, one, ports)


def test_who_decides():
    clients = policy("clients", "x", podSelector={"matchLabels": {"pod": "a"}}, ingress=[
        {"from": [{"podSelector": {"matchLabels": {"pod": "b"}}}]},
        {"from": [{"podSelector": {"matchLabels": {"pod": "c"}}}],
         "ports": [{"port": 81}, {"port": 90, "endPort": 99}]},
    ])  # fmt: skip
    found = program(clients)
    out = ("egress", True, Reason.NOT_ISOLATED, (), 0)
    assert judged(found, flow(C, A, port=81)) == [out, ("ingress", True, Reason.RULE, ("x/clients",), 2)]
    assert judged(found, flow(C, A)) == [out, ("ingress", False, Reason.NO_RULE, ("x/clients",), 0)]
    assert explain.judge(found, flow(C, A))[1].allowed == (Ports(6, 81, 81), Ports(6, 90, 99))
    assert judged(found, flow("x/b", A)) == [("ingress", True, Reason.RULE, ("x/clients",), 1)]  # b is on node2
    assert judged(found, flow(A, A))[1] == ("ingress", True, Reason.TO_ITSELF, (), 0)
    assert judged(found, flow(A, "10.244.1.77"))[1] == ("ingress", False, Reason.ADDRESS_UNKNOWN, (), 0)


def test_the_tier_that_decides():
    denies = {"action": "Deny", "from": [{"namespaces": {"matchLabels": {"ns": "y"}}}]}
    passes = {"action": "Pass", "from": [{"namespaces": {}}]}
    admin = cluster_policy("guard", "Admin", 1, {"namespaces": {}}, ingress=[denies, passes])
    base = cluster_policy(
        "base", "Baseline", 1, {"namespaces": {}}, ingress=[{"action": "Deny", "from": [{"namespaces": {}}]}]
    )
    own = policy("own", "x", podSelector={"matchLabels": {"pod": "a"}}, ingress=[{}])
    found = program(admin, base, own)
    assert judged(found, flow("y/a", A))[1] == ("ingress", False, Reason.RULE, ("guard",), 1)
    assert judged(found, flow("z/a", A))[1] == ("ingress", True, Reason.RULE, ("x/own",), 1)
    assert judged(found, flow("z/a", C))[1] == ("ingress", False, Reason.RULE, ("base",), 1)
    side = explain.pod(found, C, lambda _wanted: {}).ingress
    assert [(each.policy, each.tier) for each in side.policies] == [("guard", "Admin"), ("base", "Baseline")]
    assert [rule.action for rule in side.policies[0].rules] == ["deny", "pass"]
    assert not side.isolated and side.otherwise == "accept"


def test_the_reasons_outlive_podnetd(tmp_path):
    found = program(policy("deny", "x"))
    files.save(str(tmp_path / "program"), found)
    again = files.load(str(tmp_path / "program"))
    assert again is not None
    assert judged(again, flow(C, A)) == judged(found, flow(C, A))
    assert explain.pod(again, A, lambda _wanted: {}) == explain.pod(found, A, lambda _wanted: {})
