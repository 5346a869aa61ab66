# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict: which probes are due, and that each thing that is amiss is told by name, value and place."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks.report import failures, report
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.api import cluster
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.matrix import probes
from ansible_collections.podnet.cluster.plugins.plugin_utils.table import export_svg, render

NAMESPACE, PORT = "podnet-verify", 8080


def judge(items, found, tunnel=True):
    return report(cluster(items), found, NAMESPACE, PORT, tunnel)


def named(items, kind, name):
    return next(item for item in items if item["kind"] == kind and item["metadata"]["name"] == name)


def test_every_way_is_walked_from_every_node(items):
    state = cluster(items)
    due = [probe for node in state.nodes for probe in probes(state, node.name, NAMESPACE, PORT)]
    names = [pod.name for pod in state.pods if pod.name.startswith(NAMESPACE)]
    for kind in ("icmp", "tcp"):
        walked = {(one["source"], one["target"]) for one in due if one["scope"] == "pod to pod" and one["kind"] == kind}
        assert walked == {(source, target) for source in names for target in names if source != target}
        walked = {
            (one["source"], one["target"]) for one in due if one["scope"] == "node to pod" and one["kind"] == kind
        }
        assert walked == {(node.name, target) for node in state.nodes for target in names}
    for scope in ("ClusterIP", "NodePort", "hostPort"):
        for source in ("pod", "node"):
            assert [one for one in due if one["scope"] == f"{source} to {scope}"], (source, scope)
    reached = {one["target"] for one in due if one["scope"] == "pod to NodePort"}
    assert reached == {"node1:30080", "node2:30080", "node3:30080"}
    reached = {(one["source"], one["target"]) for one in due if one["scope"] == "pod to node"}
    assert reached == {(source, node.name) for source in names for node in state.nodes}


def test_an_answer_must_come_from_the_right_pod(items):
    due = probes(cluster(items), "node1", NAMESPACE, PORT)
    direct = next(one for one in due if one["target"] == f"{NAMESPACE}/each-2" and one["kind"] == "tcp")
    assert direct["expect"] == ["each-2"]
    assert next(one for one in due if one["target"] == "node3:18080")["expect"] == ["each-3"]
    service = next(one for one in due if one["scope"] == "node to ClusterIP")
    assert set(service["expect"]) == {f"{kind}-{n}" for kind in ("each", "some") for n in (1, 2, 3)}


def test_large_packets_are_sent_between_pods(items):
    due = probes(cluster(items), "node1", NAMESPACE, PORT)
    assert {one["size"] for one in due if one["kind"] == "icmp"} == {0}


def test_pods_of_a_removed_node_are_nobody_s(items):
    items.remove(named(items, "Node", "node3"))
    assert {pod.node for pod in cluster(items).pods} == {"node1", "node2"}


def test_an_unknown_node_is_named(items):
    with pytest.raises(ValueError, match=r"'node9' is not in the cluster, which has node1, node2, node3"):
        probes(cluster(items), "node9", NAMESPACE, PORT)


def test_items_without_a_node_are_refused():
    with pytest.raises(ValueError, match="no object of kind Node"):
        cluster([])


def test_a_healthy_cluster_has_no_failure(items, found):
    told = judge(items, found)
    assert failures(told) == []
    assert told["ok"]
    assert told["summary"]["pod to pod"] == {"ok": 60, "total": 60}
    assert json.loads(json.dumps(told))["probes"] == told["probes"]


def spoil_ready(items, found):
    condition = named(items, "Node", "node2")["status"]["conditions"][0]
    condition.update(status="False", message="container runtime is down")
    return "node is Ready, node2: container runtime is down"


def spoil_pod(items, found):
    named(items, "Pod", "each-3")["status"]["conditions"] = []
    return "pod is Ready, podnet-verify/each-3: not Ready on node3"


def spoil_address(items, found):
    named(items, "Pod", "some-2")["status"]["podIP"] = "10.244.7.3"
    found["node2"]["attachments"][1]["addresses"] = ["10.244.7.3"]
    return "podnet-verify/some-2: 10.244.7.3 is outside node2's podCIDR, 10.244.1.0/24"


def spoil_unique(items, found):
    named(items, "Pod", "some-2")["status"]["podIP"] = "10.244.1.2"
    found["node2"]["attachments"][1]["addresses"] = ["10.244.1.2"]
    return "address is unique, podnet-verify/some-2: 10.244.1.2 is also that of podnet-verify/each-2"


def spoil_cidr(items, found):
    named(items, "Node", "node3")["spec"] = {"podCIDRs": ["10.244.0.0/23"]}
    return "podCIDR is the node's own, node1: 10.244.0.0/24 overlaps 10.244.0.0/23 of node3"


def spoil_no_cidr(items, found):
    named(items, "Node", "node3")["spec"] = {}
    return "podCIDR is the node's own, node3: the API has given it none"


def spoil_attachment(items, found):
    del found["node1"]["attachments"][0]
    return "podnet-verify/each-1: node1 has no network namespace for it"


def spoil_other_address(items, found):
    found["node1"]["attachments"][0]["addresses"] = ["10.244.0.9"]
    return "podnet-verify/each-1: the API says 10.244.0.2, node1 has 10.244.0.9"


def spoil_silent_node(items, found):
    del found["node3"]
    return "node was asked, node3: 0 of"


def spoil_probe(items, found):
    found["node1"]["results"][0].update(ok=False, ms=None, reason="no answer from 10.244.0.2 in 1 s")
    return "node to pod, icmp, node1 → podnet-verify/each-1: no answer from 10.244.0.2 in 1 s"


def spoil_tunnel(items, found):
    found["node1"]["flows"] = [flow for flow in found["node1"]["flows"] if flow["destination"] != "10.77.0.12"]
    return "node1 ↔ node2: no VXLAN packet to 10.77.0.12 was seen on the underlay"


def tell(found):
    """What the nodes tell of themselves, all alike."""
    for number, (node, answer) in enumerate(sorted(found.items())):
        lease = {"name": node, "address": f"10.77.0.{11 + number}", "addresses": [f"10.77.0.{11 + number}"]}
        lease["pod_cidrs"] = [f"10.244.{number}.0/24"]
        addresses = [lease["address"], f"02:00:00:00:00:0{number}"]
        answer["about"] = {
            "time": 1000.0 + number, "library": "1.0-a", "lease": lease, "peers": 2, "addresses": addresses,
        }  # fmt: skip


def spoil_clock(items, found):
    tell(found)
    found["node3"]["about"]["time"] -= 3600
    return "clock is right, node3: it is 3598 s from the other nodes' clocks"


def spoil_library(items, found):
    tell(found)
    found["node2"]["about"]["library"] = "0.9-b"
    return "library is the same everywhere, node2: it has 0.9-b, most nodes have 1.0-a"


def spoil_lease(items, found):
    tell(found)
    named(items, "Node", "node2")["spec"] = {"podCIDRs": ["10.244.9.0/24"]}
    return "podCIDR is what the API says, node2: the overlay has 10.244.1.0/24, the API 10.244.9.0/24"


def spoil_node_address(items, found):
    tell(found)
    named(items, "Node", "node2")["status"]["addresses"][0]["address"] = "10.77.0.99"
    return "address is what the API says, node2: the overlay has 10.77.0.12, the API 10.77.0.99"


def spoil_peers(items, found):
    tell(found)
    found["node1"]["about"]["peers"] = 3
    return "peers are complete, and none is stale, node1: it knows 3 peers; there are 2"


def spoil_twice(items, found):
    tell(found)
    found["node3"]["about"]["addresses"].append("10.77.0.12")
    return "addresses are the node's own, node3: 10.77.0.12 is on node2 and node3"


def spoil_vtep(items, found):
    tell(found)
    found["node3"]["about"]["addresses"][1] = "02:00:00:00:00:01"
    return "addresses are the node's own, node2: 02:00:00:00:00:01 is on node2 and node3"


def spoil_resolver(items, found):
    items.append(
        {
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system"},
            "spec": {"clusterIP": "10.96.0.10", "selector": {"k8s-app": "kube-dns"}, "ports": [{"port": 53}]},
        }
    )
    return "DNS is served, kube-system/kube-dns: no ready pod is behind kube-system/kube-dns (10.96.0.10)"


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_clock,
        spoil_library,
        spoil_lease,
        spoil_node_address,
        spoil_peers,
        spoil_twice,
        spoil_vtep,
        spoil_resolver,
        spoil_ready,
        spoil_pod,
        spoil_address,
        spoil_unique,
        spoil_cidr,
        spoil_no_cidr,
        spoil_attachment,
        spoil_other_address,
        spoil_silent_node,
        spoil_probe,
        spoil_tunnel,
    ],
)
def test_what_is_amiss_is_told(items, found, spoil):
    expected = spoil(items, found)
    told = judge(items, found)
    assert not told["ok"]
    assert any(expected in line for line in failures(told)), failures(told)
    assert all(check["cure"] for check in told["checks"] if not check["ok"])


def test_nodes_that_tell_alike_are_well(items, found):
    tell(found)
    assert judge(items, found)["ok"]


def test_nodes_have_the_library_of_who_verifies(items, found):
    tell(found)
    told = report(cluster(items), found, NAMESPACE, PORT, True, library="2.0-c")
    wanted = [f"node{number}: it has 1.0-a, this collection has 2.0-c" for number in (1, 2, 3)]
    assert [line.partition(", ")[2].partition(" (")[0] for line in failures(told)] == wanted


def test_without_a_tunnel_none_is_demanded(items, found):
    for answer in found.values():
        answer["flows"] = []
    assert judge(items, found, tunnel=False)["ok"]
    assert not judge(items, found, tunnel=True)["ok"]


def test_no_probe_is_no_proof(items):
    told = judge(items[:1], {"node1": {"results": []}}, tunnel=False)
    assert not told["ok"]
    assert failures(told) == ["probes: none was made, so nothing is proven"]


def test_tables_show_nodes_matrix_and_verdict(items, found):
    text = render(judge(items, found), 120)
    for shown in ("10.244.1.0/24", "0a:00:00:00:00:01", "v1.20.2", "Debian 12", "each-3", "ClusterIP", "UDP 8472"):
        assert shown in text
    assert "✗" not in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 120


def test_tables_show_which_pair_fails(items, found):
    result = next(one for one in found["node1"]["results"] if one["scope"] == "pod to pod" and one["kind"] == "icmp")
    result.update(ok=False, ms=None, reason="no answer")
    text = render(judge(items, found), 120)
    assert "✗ icmp" in text
    assert f"{result['source']} → {result['target']}: no answer" in " ".join(text.split())
    assert "1 failures" in text


def test_picture_is_a_picture(items, found):
    picture = export_svg(judge(items, found), "a lab")
    assert picture.startswith("<svg")
    assert "url(http" not in picture, "nothing is loaded from the network"
    assert "a&#160;lab" in picture or "a lab" in picture
