# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The marker of a node, and what it forbids."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan, StateError
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.provision import membership


@pytest.fixture
def marker(tmp_path):
    """Writes the marker as the module does; what it says then, and whether anything was changed."""
    path = tmp_path / "podnet" / "cluster.json"

    def mark(node="node1", cluster=""):
        plan = Plan(then=membership.plan(node, cluster, str(path)))
        assert plan.apply() == []
        return json.loads(path.read_text()), bool(plan)

    mark.path = path
    return mark


def test_a_node_is_marked_before_it_has_a_cluster(marker):
    assert membership.read(str(marker.path)) is None
    assert marker() == ({"node": "node1", "cluster": ""}, True)
    assert marker(cluster="u1") == ({"node": "node1", "cluster": "u1"}, True)
    assert marker() == ({"node": "node1", "cluster": "u1"}, False), "a run that does not know the cluster forgets none"
    assert membership.read(str(marker.path)) == ("node1", "u1")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"node": "n"}', "null"])
def test_a_file_that_is_no_marker(marker, text):
    marker.path.parent.mkdir()
    marker.path.write_text(text)
    with pytest.raises(StateError, match=r"cluster\.json is not a marker"):
        membership.read(str(marker.path))


def facts(cluster=None, joined=True, ours=True, control_plane=False):
    """A node's facts; ``cluster`` None: it has no marker."""
    marker = None if cluster is None else {"node": "n", "cluster": cluster}
    return {"membership": marker, "joined": joined, "ours": ours, "control_plane": control_plane}


def removal(found, stay=(), confirmed=""):
    findings = membership.check_removal(found, ["a"], stay, confirmed)
    return [(each.code, each.subject) for each in findings]


HEAD = facts("u1", control_plane=True)


@pytest.mark.parametrize("unmarked", [facts(None, ours=False), facts(None, joined=False), facts(None)])
def test_a_node_without_marker_is_left_alone(unmarked):
    assert removal({"b": unmarked}) == [(Code.NODE_UNMARKED, "b")]
    assert removal({"a": HEAD, "b": unmarked}, stay=["a"]) == [(Code.NODE_UNMARKED, "b")]
    assert removal({"a": unmarked}, confirmed="u1") == [(Code.NODE_UNMARKED, "a")]


def test_a_bare_node_and_a_worker_may_go():
    assert removal({"b": facts(None, joined=False, ours=False), "c": facts("u1"), "d": facts("")}) == []


def test_a_cluster_goes_only_if_it_is_named():
    assert removal({"a": HEAD, "b": facts("u1")}) == [(Code.CLUSTER_UNCONFIRMED, "a")]
    assert removal({"a": HEAD}, confirmed="u2") == [(Code.CLUSTER_UNCONFIRMED, "a")]
    assert removal({"a": HEAD}, confirmed="u1") == []
    assert removal({"a": facts("u1", joined=False)}) == [(Code.CLUSTER_UNCONFIRMED, "a")], "its manifests may be away"
    assert removal({"a": facts("", joined=False)}) == [], "there was never a cluster"


def test_one_of_several_control_planes_may_go():
    findings = membership.check_removal({"a": HEAD, "b": HEAD}, ["a", "b"], ["b"], "")
    assert [each.code for each in findings] == []
    findings = membership.check_removal({"a": HEAD, "b": HEAD}, ["a", "b"], [], "")
    assert [each.code for each in findings] == [Code.CLUSTER_UNCONFIRMED] * 2


def test_a_control_plane_that_is_made_anew_is_no_other_cluster():
    bare = facts(None, joined=False, ours=False)
    assert list(membership.check_clusters({"a": bare, "b": HEAD, "c": facts("u1")}, ["a", "b"])) == []
    assert [
        each.subject for each in membership.check_clusters({"a": bare, "b": HEAD, "c": facts("u2")}, ["a", "b"])
    ] == ["c"]


def test_a_node_of_another_cluster_is_not_removed_from_this_one():
    assert removal({"a": HEAD, "b": facts("u2")}, stay=["a"]) == [(Code.NODE_OF_OTHER_CLUSTER, "b")]
    assert removal({"a": HEAD, "b": facts("u1")}, stay=["a"]) == []
    assert removal({"a": HEAD, "b": facts("u2")}, confirmed="u1") == [], "a reset takes it back all the same"


def clusters(found):
    return [(each.code, each.subject) for each in membership.check_clusters(found, ["a"])]


def test_workers_of_a_former_control_plane():
    """It was created again: the workers' kubelets still have the former one's credentials."""
    assert clusters({"a": facts("", joined=False), "b": facts("u0"), "c": facts("")}) == [
        (Code.NODE_OF_OTHER_CLUSTER, "b")
    ]
    assert clusters({"a": HEAD, "b": facts("u0")}) == [(Code.NODE_OF_OTHER_CLUSTER, "b")]


def test_clusters_that_are_one_or_unknown():
    assert clusters({"a": HEAD, "b": facts("u1"), "c": facts(""), "d": facts(None)}) == []
    assert clusters({"b": facts("u1"), "c": facts("u2")}) == [], "the control plane was not looked at"
    assert clusters({"a": facts(None), "b": facts("u1")}) == [], "an older release made the control plane"
