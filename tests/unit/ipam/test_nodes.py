# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pod CIDRs of nodes, as the API reports them."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.nodes import ApiError, Known, from_api


@pytest.fixture
def kubectl(tmp_path):
    """A function that makes a command which answers as kubectl would: each time the next text, in the end the last."""

    def make(*answers, status=0):
        for number, answer in enumerate(answers):
            (tmp_path / str(number)).write_text(json.dumps(answer) if not isinstance(answer, str) else answer)
        command = tmp_path / "kubectl"
        command.write_text(
            f"#!/bin/sh\ncd {tmp_path}\nn=$(cat count 2>/dev/null || echo 0)\n"
            f"[ $n -lt {len(answers) - 1} ] && echo $((n + 1)) > count\ncat $n; exit {status}\n"
        )
        command.chmod(0o755)
        return [str(command)]

    return make


def node(name, *cidrs):
    return {"metadata": {"name": name}, "spec": {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {}}


def test_the_api_tells_pod_cidrs(kubectl):
    answer = {"items": [node("a", "10.244.1.0/24", "fd00::/64"), node("b", "10.244.0.0/24"), node("c")]}
    answer["items"].append({"metadata": {"name": "old"}, "spec": {"podCIDR": "10.244.9.0/24"}})
    answer["items"][0]["status"] = {
        "addresses": [
            {"type": "Hostname", "address": "a"},
            {"type": "InternalIP", "address": "192.0.2.1"},
        ]
    }
    assert from_api(kubectl(answer), ["a", "b"], 0) == {
        "a": Known(["10.244.1.0/24", "fd00::/64"], "192.0.2.1"),
        "b": Known(["10.244.0.0/24"], None),
        "old": Known(["10.244.9.0/24"], None),
    }


def test_nodes_without_a_pod_cidr_are_waited_for(kubectl):
    late = {"items": [node("a", "10.244.0.0/24")]}
    command = kubectl({"items": []}, {"items": [node("a")]}, late)
    assert from_api(command, ["a"], 30) == {"a": Known(["10.244.0.0/24"], None)}


def test_a_node_that_never_gets_one_is_named(kubectl):
    with pytest.raises(ApiError) as caught:
        from_api(kubectl({"items": [node("a", "10.244.0.0/24"), node("b")]}), ["a", "b", "c"], 0)
    assert "these nodes have no .spec.podCIDRs: b, c" in str(caught.value)
    assert from_api(kubectl({"items": [node("b")]}), ["b"], 0, partial=True) == {}


@pytest.mark.parametrize("answer", ["", "{", "[]", '{"kind": "Status"}'])
def test_an_answer_that_is_no_list_of_nodes_is_refused(kubectl, answer):
    with pytest.raises(ApiError):
        from_api(kubectl(answer), ["a"], 0)


def test_a_kubectl_that_fails_or_is_not_there_is_named(kubectl):
    with pytest.raises(ApiError, match=r"kubectl get nodes .*: exit status 1"):
        from_api(kubectl("", status=1), ["a"], 0)
    with pytest.raises(ApiError, match="/nowhere/kubectl: No such file"):
        from_api(["/nowhere/kubectl"], ["a"], 0)
