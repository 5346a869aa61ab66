# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which budget keeps which pod on a node."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.provision import drain


def pod(name, node="n", namespace="default", owner="ReplicaSet", phase="Running", **labels):
    metadata = {"namespace": namespace, "name": name, "labels": labels, "ownerReferences": [{"kind": owner}]}
    return {"kind": "Pod", "metadata": metadata, "spec": {"nodeName": node}, "status": {"phase": phase}}


def budget(selector, allowed=0, namespace="default"):
    metadata = {"namespace": namespace, "name": "keep"}
    status = {"disruptionsAllowed": allowed}
    return {"kind": "PodDisruptionBudget", "metadata": metadata, "spec": {"selector": selector}, "status": status}


WEB = {"matchLabels": {"app": "web"}}


def blocked(*items):
    return [(each.code, each.subject, dict(each.parameters)) for each in drain.blocked(items, "n", 7)]


def test_the_pods_and_their_budget():
    pods = [pod("web-1", app="web"), pod("web-2", "other", app="web"), pod("db-1", app="db")]
    pods += [pod("web-3", namespace="shop", app="web"), pod("web-4", owner="DaemonSet", app="web")]
    pods += [pod("web-5", phase="Succeeded", app="web"), pod("web-6", owner="Node", app="web")]
    subject = "PodDisruptionBudget default/keep"
    assert blocked(budget(WEB), *pods) == [(Code.DRAIN_BLOCKED, subject, {"pod": "default/web-1"})]


def test_no_budget_is_in_the_way():
    late = [(Code.DRAIN_FAILED, "n", {"timeout": 7})]
    assert blocked(budget(WEB, allowed=1), pod("web-1", app="web")) == late
    assert blocked() == late


def expression(operator, *values):
    return {"matchExpressions": [{"key": "app", "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (None, []),
        ({}, ["web", "db", None]),
        (WEB, ["web"]),
        (expression("In", "web", "db"), ["web", "db"]),
        (expression("NotIn", "web"), ["db", None]),
        (expression("Exists"), ["web", "db"]),
        (expression("DoesNotExist"), [None]),
        ({**WEB, **expression("In", "db")}, []),
    ],
)
def test_selectors(selector, selected):
    """As the API documents LabelSelector: requirements are ANDed, NotIn is met without the label."""
    labels = [{"app": "web"}, {"app": "db"}, {}]
    assert [each.get("app") for each in labels if drain.selects(selector, each)] == selected
