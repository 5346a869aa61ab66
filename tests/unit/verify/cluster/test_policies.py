# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes that policies forbid: lost they are no failures, and failures where they arrive."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli.render_report import report_as_json
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.policy.explanation import (
    PolicyDrops,
    PolicyOrigin,
    PolicyState,
)
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks.report import report
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.api import cluster
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.policies import Policies
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.resolve import requests
from ansible_collections.podnet.cluster.plugins.plugin_utils import junit, page, table
from policies.cluster import cluster_policy, policy

from ..conftest import NAMESPACE, PORT, lose

EACH1 = f"{NAMESPACE}/each-1"


@pytest.fixture
def enforced(items):
    """The items with the namespace, in which each-1 has a label of its own."""
    for item in items:
        if item["metadata"]["name"] == "each-1":
            item["metadata"]["labels"]["app"] = "one"
    return [*items, {"kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {}}}]


def deny(**more) -> dict:
    return {"kind": "NetworkPolicy", **policy("deny", NAMESPACE, podSelector={"matchLabels": {"app": "one"}}, **more)}


def judge(items, found):
    there = cluster(items)
    return report(there, found, NAMESPACE, PORT, True, policies=Policies(items, there))


def losing(items, found, **where):
    """Lets the probes fail that fit."""
    for answer in found.values():
        for result in answer.results:
            if all(getattr(result, key) == value for key, value in where.items()):
                lose(result)


def of_each1(result) -> bool:
    return result.target == EACH1 and result.scope in ("pod to pod", "node to pod") and result.source != "node1"


def test_without_policies_nothing_is_forbidden(enforced, found):
    losing(enforced, found, target=EACH1)
    judged = judge(enforced, found)
    assert not judged.ok and not any(result.denied for result in judged.probes)


def test_what_policies_forbid_is_no_failure(enforced, found):
    enforced.append(deny())
    for answer in found.values():
        for result in answer.results:
            if of_each1(result):
                lose(result)
    judged = judge(enforced, found)
    assert judged.ok, judged.failures[:3]
    denied = [result for result in judged.probes if result.denied]
    assert denied and all(map(of_each1, denied))
    assert {each.denied.code for each in denied} == {Code.POLICY_DENIED}
    assert {(each.denied.node, each.denied.subject) for each in denied} == {("node1", EACH1)}
    assert judged.summary["pod to pod"].denied
    assert requests(cluster(enforced), judged.probes, 9, Policies(enforced, cluster(enforced))) == []


def test_what_arrives_against_a_policy_is_a_failure(enforced, found):
    enforced.append(deny())
    judged = judge(enforced, found)
    findings = [failure.finding for failure in judged.failures]
    assert findings and {each.code for each in findings} == {Code.POLICY_BYPASSED}
    assert all(EACH1 in (each.subject, each.parameters["target"]) for each in findings)
    # a node reaches its own pods whatever the policies, and what is behind a node's port is seen from several nodes
    assert not any(each.subject == "node1" for each in findings)
    assert {failure.failed.scope for failure in judged.failures} == {"pod to pod", "node to pod"}


def test_what_is_lost_and_allowed_stays_a_failure(enforced, found):
    enforced.append(deny(ingress=[{"from": [{"podSelector": {}}]}]))
    losing(enforced, found, target=EACH1, source=f"{NAMESPACE}/some-2")
    for answer in found.values():
        for result in answer.results:
            if of_each1(result) and result.scope == "node to pod":
                lose(result)
    judged = judge(enforced, found)
    assert {failure.failed.source for failure in judged.failures} == {f"{NAMESPACE}/some-2"}
    assert {result.source for result in judged.probes if result.denied} == {"node2", "node3"}


def test_a_service_of_which_some_pods_are_forbidden_may_answer_or_not(enforced, found):
    enforced.append(deny())
    for answer in found.values():
        for result in answer.results:
            if of_each1(result):
                lose(result)
    number = 0
    for answer in found.values():
        for result in answer.results:
            if "ClusterIP" in result.scope or "NodePort" in result.scope or "hostPort" in result.scope:
                number += 1
                if number % 2:
                    lose(result)
    judged = judge(enforced, found)
    # from node1, and from the pod itself, all of them are open
    wrong = {each.failed.target for each in judged.failures if each.failed.source not in ("node1", EACH1)}
    assert not any(target == f"{NAMESPACE}/any" or ":30080" in target or target == "node1:18080" for target in wrong)


def test_what_reaches_a_service_by_the_nodes_own_pod_or_the_pod_itself_is_allowed(enforced, found):
    """Whatever the policies: here no pod may be reached at all."""
    enforced.append({"kind": "NetworkPolicy", **policy("shut", NAMESPACE, podSelector={})})
    judged = judge(enforced, found)
    wrong = [each.failed for each in judged.failures if each.finding.code == Code.POLICY_BYPASSED]
    assert {result.scope for result in wrong} == {"pod to pod", "node to pod"}
    through = [result for answer in found.values() for result in answer.results if result.scope.endswith("ClusterIP")]
    assert through and all(result.ok for result in through)


def test_a_rule_of_a_cluster_policy_for_a_service_by_its_pods_port(enforced, found):
    denies = {"action": "Deny", "from": [{"namespaces": {}}],
              "protocols": [{"tcp": {"destinationPort": {"number": PORT}}}]}  # fmt: skip
    enforced.append(
        {"kind": "ClusterNetworkPolicy", **cluster_policy("no", "Admin", 1, {"namespaces": {}}, ingress=[denies])}
    )
    judged = judge(enforced, found)
    assert {failure.finding.parameters["policies"][0] for failure in judged.failures} == {"no"}
    scopes = {failure.failed.scope for failure in judged.failures}
    assert {"pod to ClusterIP", "pod to pod"} <= scopes
    assert all(failure.failed.kind == "tcp" for failure in judged.failures)


def test_the_forms_of_the_report_tell_denied_from_lost(enforced, found):
    enforced.append(deny())
    for answer in found.values():
        answer.policy = PolicyState(
            PolicyOrigin("podnetd", 0.0, True, True), drops=[PolicyDrops("c", [f"{NAMESPACE}/deny"], 17)]
        )
        for result in answer.results:
            if of_each1(result):
                lose(result)
    told = report_as_json(judge(enforced, found))
    assert told["ok"] and told["policies"]["node1"]["drops"][0]["packets"] == 17
    denied = [probe for probe in told["probes"] if probe["denied"]]
    assert denied[0]["denied"]["code"] == "policy.denied" and f"{NAMESPACE}/deny" in denied[0]["denied"]["text"]
    text = table.render(told, 140)
    assert "⊘ icmp+tcp" in text and f"{NAMESPACE}/deny: 17" in text and "✗" not in text
    assert f"policies deny the other {len(denied)}" in text
    html = page.render(told, "title")
    assert "⊘" in html and "✗ " not in html.split("</style>")[1].replace("✗ and how many", "")
    suite = ElementTree.fromstring(junit.render(told))
    assert suite.get("failures") == "0"
