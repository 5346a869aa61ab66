# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles and bindings of the agents: what is planned, what the API is asked to do, and what a refusal stops."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan
from ansible_collections.podnet.cluster.plugins.module_utils.kube import rbac
from ansible_collections.podnet.cluster.plugins.module_utils.kube.client import ApiError

ROLES, BINDINGS = f"{rbac.RBAC}/clusterroles", f"{rbac.RBAC}/clusterrolebindings"


class Api:
    """A client of an API that keeps objects by path. Changes are recorded; those below ``refused`` are forbidden."""

    def __init__(self):
        self.objects, self.calls, self.refused = {}, [], "/nowhere"

    def items(self, path, query):
        label, _equals, value = query["labelSelector"].partition("=")
        found = [
            each
            for name, each in self.objects.items()
            if name.startswith(f"{path}/") and each["metadata"].get("labels", {}).get(label) == value
        ]
        return SimpleNamespace(items=lambda: iter(found))

    def call(self, method, path, body=None):
        if method != "GET":
            self.calls.append(f"{method} {path.rpartition('/v1/')[2]}")
            if path.startswith(self.refused):
                raise ApiError(403, "Forbidden", "not you")
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
        if method in ("POST", "PUT"):
            assert method == "POST" or body["metadata"]["resourceVersion"] == "7"
            self.objects[path] = json.loads(json.dumps(body))
            self.objects[path]["metadata"]["resourceVersion"] = "7"
        elif path not in self.objects:
            raise ApiError(404, "NotFound", path)
        elif method == "DELETE":
            return self.objects.pop(path)
        return self.objects[path]


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def ready(api):
    """An API with the objects for node1."""
    assert Plan(then=rbac.plan(api, ["node1"])).apply() == []
    api.calls.clear()
    return api


def test_each_object_is_created_once(api):
    plan = Plan(then=rbac.plan(api, ["node1"]))
    assert plan.describe() == [
        "create clusterrole podnet:nodes",
        "create clusterrolebinding podnet:nodes",
        "create clusterrole podnet:node:node1",
        "create clusterrolebinding podnet:node:node1",
    ]
    path, before, after = plan.diffs()[2]
    assert (path, before) == (f"{ROLES}/podnet:node:node1", "")
    assert json.loads(after)["rules"] == [
        {"apiGroups": [""], "resources": ["nodes/status"], "resourceNames": ["node1"], "verbs": ["patch"]}
    ]
    assert plan.apply() == []
    assert api.calls == [f"POST {kind}" for kind in ("clusterroles", "clusterrolebindings")] * 2
    assert rbac.plan(api, ["node1"]) == []


def test_a_widened_role_is_narrowed_in_place(ready):
    role = ready.objects[f"{ROLES}/podnet:node:node1"]
    role["rules"] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    plan = Plan(then=rbac.plan(ready, ["node1"]))
    assert plan.describe() == ["change clusterrole podnet:node:node1"]
    assert plan.apply() == [] and ready.calls == ["PUT clusterroles/podnet:node:node1"]
    assert rbac.plan(ready, ["node1"]) == []


def test_a_binding_is_replaced_since_what_it_binds_cannot_be_changed(ready):
    ready.objects[f"{BINDINGS}/podnet:nodes"]["roleRef"]["name"] = "cluster-admin"
    assert Plan(then=rbac.plan(ready, ["node1"])).apply() == []
    assert ready.calls == ["DELETE clusterrolebindings/podnet:nodes", "POST clusterrolebindings"]


def test_objects_of_nodes_that_are_gone_go_and_of_those_in_the_cluster_stay(ready):
    ready.objects["/api/v1/nodes/node1"] = {}
    assert rbac.plan(ready, []) == []
    del ready.objects["/api/v1/nodes/node1"]
    plan = Plan(then=rbac.plan(ready, []))
    assert plan.describe() == ["delete clusterrole podnet:node:node1", "delete clusterrolebinding podnet:node:node1"]
    assert plan.apply() == [] and rbac.plan(ready, []) == []


def test_a_refusal_is_told_and_nothing_is_signed_after_it(api):
    api.refused = BINDINGS
    signatures = rbac.Signatures(api, {"node1": "REQUEST"}, 1)
    plan = Plan(then=[*rbac.plan(api, []), signatures])
    assert [each.parameters["error"] for each in plan.apply()] == [f"{BINDINGS}/podnet:nodes: 403 Forbidden: not you"]
    assert api.calls == ["POST clusterroles", "POST clusterrolebindings"] and signatures.certificates == {}


def test_signing_is_planned_for_each_request():
    step = rbac.Signatures(None, {"node1": "A", "node2": "B"}, 1)
    assert Plan(then=[step]).describe() == [
        "sign the certificate of podnet:node:node1",
        "sign the certificate of podnet:node:node2",
    ]
    assert not Plan(then=[rbac.Signatures(None, {}, 1)])
