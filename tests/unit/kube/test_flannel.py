# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""flannel in a cluster: found, compared, kept off nodes and let back; tests/migration does it with flannel itself."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.kube import flannel
from ansible_collections.podnet.cluster.plugins.module_utils.kube.client import ApiError

SPACE = "/api/v1/namespaces/kube-flannel"
DAEMONSET = "/apis/apps/v1/namespaces/kube-flannel/daemonsets/kube-flannel-ds"
#: As in flannel's own manifest.
LINUX = {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
VXLAN, BACKEND = {"Type": "vxlan"}, "overlay_backend"
WANTED = {
    "overlay_network": "10.244.0.0/16",
    "overlay_backend": {"type": "vxlan"},
    "control_plane_service_network": "10.96.0.0/12",
}


class Api:
    """A cluster of two nodes with flannel; its controller obeys the one expression that matters here at once."""

    def __init__(self, terms: list | None = None, **network) -> None:
        settings = {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}, **network}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
        pod = {
            "containers": [{"command": ["/opt/bin/flanneld"], "args": ["--ip-masq"]}],
            "volumes": [{"hostPath": {}}, {"configMap": {"name": "cfg"}}],
            **({"affinity": affinity} if terms else {}),
        }
        cluster = "networking:\n  dnsDomain: cluster.local\n  podSubnet: 10.244.0.0/16\n  serviceSubnet: 10.96.0.0/12\n"
        self.objects = {
            DAEMONSET: {
                "metadata": {"namespace": "kube-flannel", "name": "kube-flannel-ds", "generation": 1},
                "spec": {"template": {"spec": pod}},
            },
            f"{SPACE}/configmaps/cfg": {
                "data": {"net-conf.json": json.dumps(settings), "cni-conf.json": json.dumps({"name": "cbr0"})}
            },
            flannel.KUBEADM: {"data": {"ClusterConfiguration": cluster}},
            **{f"/api/v1/nodes/{name}": {"metadata": {"name": name}} for name in ("a", "b")},
        }
        self.patched: list[str] = []

    def call(self, method: str, path: str, body: object = None, _kind: str = "") -> dict:
        if method == "PATCH":
            self.patched.append(path)
            merge(self.objects[path], body)
        if path == flannel.DAEMONSETS:
            return {"items": [self.objects[each] for each in (DAEMONSET,) if each in self.objects]}
        if path == "/api/v1/nodes":
            return {"items": [each for key, each in self.objects.items() if key.startswith(path + "/")]}
        if path == f"{SPACE}/pods":
            return {"items": [pod for node in self.call("GET", "/api/v1/nodes")["items"] for pod in self.pods(node)]}
        if path not in self.objects:
            raise ApiError(404, "NotFound", path)
        status = {"observedGeneration": 1, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberReady": 2}
        return {**copy.deepcopy(self.objects[path]), "status": status}

    @property
    def terms(self) -> list:
        return flannel._terms(self.objects[DAEMONSET])

    def pods(self, node: dict) -> list:
        kept_off = self.terms and all(flannel.EXPRESSION in (each.get("matchExpressions") or ()) for each in self.terms)
        if kept_off and flannel.LABEL in (node["metadata"].get("labels") or {}):
            return []
        owner = {"ownerReferences": [{"name": "kube-flannel-ds"}]}
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        return [{"metadata": owner, "spec": {"nodeName": node["metadata"]["name"]}, "status": status}]


def merge(target: dict, patch: dict) -> None:
    """RFC 7396."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = copy.deepcopy(value)


def found(api: Api, **wanted) -> list:
    findings = flannel.check(flannel.find(api), flannel.service_network(api), {**WANTED, **wanted})
    return [(each.code, each.subject, each.parameters.get("actual")) for each in findings]


def apply(steps) -> list[str]:
    plan = Plan(then=list(steps))
    assert plan.apply() == []
    return plan.describe()


def test_flannel_as_it_is_installed_fits():
    api = Api()
    assert found(api) == []
    assert found(api, overlay_backend={"type": "vxlan", "vni": 1, "port": None, "mtu": None}) == []
    assert flannel.find(api).network == "cbr0"


@pytest.mark.parametrize(
    ("network", "wanted", "code", "subject", "actual"),
    [
        ({}, {"overlay_network": "10.0.0.0/16"}, Code.FLANNEL_DIFFERS, "overlay_network", "10.244.0.0/16"),
        ({"Network": "10.0.0.0/8"}, {}, Code.FLANNEL_DIFFERS, "overlay_network", "10.0.0.0/8"),
        ({"IPv6Network": "fd00::/56"}, {}, Code.FLANNEL_DIFFERS, "overlay_network", "10.244.0.0/16,fd00::/56"),
        ({"Backend": {"Type": "vxlan", "VNI": 4096}}, {}, Code.FLANNEL_DIFFERS, "overlay_backend.vni", 4096),
        ({"Backend": {"Type": "vxlan", "Port": 4789}}, {}, Code.FLANNEL_DIFFERS, "overlay_backend.port", 4789),
        ({"Backend": {"DirectRouting": True, **VXLAN}}, {}, Code.FLANNEL_DIFFERS, f"{BACKEND}.direct_routing", True),
        ({"Backend": {"Type": "host-gw"}}, {}, Code.FLANNEL_DIFFERS, "overlay_backend.type", "host-gw"),
        ({"Backend": {"Type": "ipip"}}, {}, Code.FLANNEL_BACKEND_UNSUPPORTED, "ipip", None),
        ({"Backend": {"Type": "wireguard"}}, {}, Code.FLANNEL_BACKEND_UNSUPPORTED, "wireguard", None),
        (
            {}, {"control_plane_service_network": "10.97.0.0/16"},
            Code.FLANNEL_DIFFERS, "control_plane_service_network", "10.96.0.0/12",
        ),
    ],
)  # fmt: skip
def test_what_differs_is_told_with_the_right_value(network, wanted, code, subject, actual):
    assert found(Api(**network), **wanted) == [(code, subject, actual)]


def test_a_cluster_without_flannel():
    api = Api()
    del api.objects[DAEMONSET]
    assert found(api) == [(Code.FLANNEL_MISSING, "DaemonSet", None)]


@pytest.mark.parametrize("terms", [None, [LINUX], [LINUX, {"matchFields": [{"key": "metadata.name"}]}]])
def test_nodes_are_handed_over_and_given_back(terms):
    api = Api(terms)
    there = flannel.find(api)
    for node, steps in (("a", 2), ("b", 1)):
        assert len(apply(flannel.hand_over(api, there, node, 5))) == steps
        assert apply(flannel.hand_over(api, there, node, 5)) == [], "a second run changes nothing"
    assert api.call("GET", f"{SPACE}/pods")["items"] == []
    for node in ("a", "b"):
        assert apply(flannel.release(api, there, 5)) == [], "while a node has the label the DaemonSet stays"
        assert len(apply(flannel.give_back(api, there, node, 5))) == 1
        assert apply(flannel.give_back(api, there, node, 5)) == []
    assert len(apply(flannel.release(api, there, 5))) == 1
    assert api.terms == (terms or []) and apply(flannel.release(api, there, 5)) == []


def test_a_pod_that_does_not_end_is_told(monkeypatch):
    api = Api([LINUX])
    monkeypatch.setattr(flannel, "_pods", lambda *_args: [{}])
    plan = Plan(then=list(flannel.hand_over(api, flannel.find(api), "a", 0)))
    (finding,) = plan.apply()
    assert finding.code == Code.CHANGE_FAILED
