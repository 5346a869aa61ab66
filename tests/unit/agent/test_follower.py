# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a follower of the API keeps and announces, and what becomes of objects that cannot be read."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent import follower as module
from ansible_collections.podnet.cluster.plugins.module_utils.agent.policies import report
from ansible_collections.podnet.cluster.plugins.module_utils.agent.policies.cluster import Cluster
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.kube.client import ApiError
from ansible_collections.podnet.cluster.plugins.module_utils.policy import read
from ansible_collections.podnet.cluster.plugins.module_utils.policy.model import ClusterPolicy, Pod, Policy

POLICIES = "/apis/networking.k8s.io/v1/networkpolicies"


def policy(name: str, **spec) -> dict:
    return {"metadata": {"namespace": "shop", "name": name}, "spec": {"podSelector": {}, **spec}}


def pod(name: str, uid: str, node: str = "node1", **more) -> dict:
    metadata = {"namespace": "shop", "name": name, "uid": uid, "labels": {"app": "web"}, **more}
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": {"podIPs": [{"ip": "10.244.1.2"}]}}


class Owner:
    def __init__(self) -> None:
        self.announced: list[dict] = []
        self.reasons: list[str] = []
        self.connections = 0

    def announce(self, _collection, news):
        self.announced.append(news)

    def connected(self, _collection):
        self.connections += 1

    def lost(self, _collection, reason):
        self.reasons.append(reason)


@pytest.fixture
def owner():
    return Owner()


@pytest.fixture
def announced(owner):
    return owner.announced


@pytest.fixture
def follower(owner):
    return module.Follower(module.Collection(POLICIES, "", read.policy), "/none", owner)


def test_only_what_changed_is_announced(follower, announced):
    follower.replace(iter([policy("a"), policy("b")]))
    assert follower.synced and set(announced.pop()) == {"shop/a", "shop/b"}
    follower.put(policy("a"))
    follower.put(policy("a", policyTypes=["Egress"]))
    follower.drop("shop/b")
    follower.drop("shop/b")
    assert [list(news) for news in announced] == [["shop/a"], ["shop/b"]] and announced[1] == {"shop/b": None}
    announced.clear()
    follower.replace(iter([policy("c")]))
    assert set(announced[0]) == {"shop/a", "shop/c"} and announced[0]["shop/a"] is None


def test_an_empty_first_list_is_announced(follower, announced):
    follower.replace(iter(()))
    follower.replace(iter(()))
    assert announced == [{}] and follower.synced


def test_an_object_that_cannot_be_read_stays_what_it_was_and_is_reported(follower, announced):
    follower.put(policy("a"))
    follower.put(policy("a", policyTypes=["Sideways"]))
    follower.put(policy("b", policyTypes=["Sideways"]))
    assert list(follower.records) == ["shop/a"] and set(follower.malformed) == {"shop/a", "shop/b"}
    cluster = SimpleNamespace(node="node1", followers={Policy: follower})
    found = report.warnings(SimpleNamespace(cluster=cluster, bridged=list))
    assert [(each.code, each.subject) for each in found] == [
        (Code.POLICY_UNREADABLE, "shop/a"),
        (Code.POLICY_UNREADABLE, "shop/b"),
    ]
    follower.put(policy("a"))
    follower.drop("shop/b")
    assert follower.malformed == {}


@pytest.mark.parametrize("optional", [True, False])
def test_a_collection_that_the_api_does_not_serve_is_empty_where_it_may_be(owner, optional):
    follower = module.Follower(module.Collection(POLICIES, "", read.policy, optional), "/none", owner)
    pause = follower._lost(ApiError(404, "NotFound", ""), None)
    assert (follower.synced, follower.served) == (optional, not optional)
    assert pause == (module.ABSENT_PAUSE if optional else 0)
    assert (follower.errors, owner.reasons) == ((0, []) if optional else (1, ["404 NotFound"]))


def test_an_older_version_is_asked_where_the_newer_one_is_not_served(owner, monkeypatch):
    """ClusterNetworkPolicy was v1alpha2 before it was v1beta1."""
    asked = []

    class Api:
        """Serves `served`; stands for the connection and for what follows over it."""

        served: tuple[str, ...] = ()

        def __init__(self, sink=None, path="", selector=""):
            self.path, self.received = path, 0

        def follow(self, client):
            asked.append(self.path)
            if self.path not in self.served:
                raise ApiError(404, "NotFound", "")

        def close(self):
            pass

    for name in ("Client", "Reflector"):
        monkeypatch.setattr(module, name, Api)
    follower = module.Follower(module.Collection("/new", "", read.policy, True, ("/old",)), "/none", owner)
    for served, paths in ((("/old",), ["/new", "/old"]), (("/old", "/new"), ["/new"]), (("/new",), ["/new"])):
        Api.served = served
        follower._follow(object())
        assert asked == paths
        asked.clear()
    Api.served = ()
    with pytest.raises(ApiError):
        follower._follow(object())


def test_a_certificate_that_has_expired_is_the_reason_for_a_refusal(follower, owner, monkeypatch):
    found = Finding(Code.AGENT_CERTIFICATE_EXPIRES, "", "/node.crt", {"when": "2026-01-01 00:00:00"})
    monkeypatch.setattr(module, "expiring", lambda _credentials: found)
    assert follower._lost(ApiError(401, "Unauthorized", "", 7), object()) == 7
    follower._lost(ApiError(403, "Forbidden", ""), object())
    assert owner.reasons == [
        "401 Unauthorized; certificate /node.crt expired at 2026-01-01 00:00:00 UTC",
        "403 Forbidden",
    ]
    assert follower.reason == owner.reasons[-1]


def test_a_connection_that_we_cut_is_no_loss(follower, owner):
    follower.reread()
    assert follower._lost(OSError("closed"), None) == 0 and not owner.reasons
    with pytest.raises(ConnectionAbortedError):
        follower.connected()
    assert not follower.live and not owner.connections


def test_uids_are_those_of_this_nodes_pods_and_of_static_ones_the_kubelets(tmp_path):
    cluster = Cluster("node1", str(tmp_path / "none"))
    pods = cluster.followers[Pod]
    pods.put(pod("here", "u1"))
    pods.put(pod("there", "u2", node="node2"))
    pods.put(pod("static", "u3", annotations={"kubernetes.io/config.mirror": "kubelets"}))
    assert cluster.uids == {"shop/here": "u1", "shop/static": "kubelets"}
    here, there, _static = (change.record for change in cluster.take())
    assert here.labels is there.labels
    pods.drop("shop/here")
    assert cluster.uids == {"shop/static": "kubelets"} and cluster.take() == [(Pod, "shop/here", None)]
    assert not cluster.synced and set(cluster.followers) > {ClusterPolicy, Policy}


def test_the_cluster_is_in_sync_once_every_list_has_been_taken(tmp_path):
    """An agent that enforced what it had taken before would drop packets of pods whose list is still in the news."""
    cluster = Cluster("node1", str(tmp_path / "none"))
    *others, last = cluster.followers.values()
    for follower in others:
        follower.replace(iter(()))
    cluster.take()
    assert not cluster.synced
    last.replace(iter(()))
    assert last.synced and not cluster.synced
    cluster.take()
    assert cluster.synced
