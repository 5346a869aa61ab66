# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict: which probes are due, and that each fault has its code, subject and parameters."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli.render_report import report_as_json
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import lease
from ansible_collections.podnet.cluster.plugins.module_utils.records import codec
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks.report import Count, report
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.api import cluster
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.matrix import probes
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.answer import About, NodeAnswer, answer_from
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.check import CheckName
from ansible_collections.podnet.cluster.plugins.plugin_utils.table import export_svg, render

from ..conftest import NAMESPACE, PORT, lose, pod


def judge(items, found, tunnel=True):
    return report(cluster(items), found, NAMESPACE, PORT, tunnel)


def named(items, kind, name):
    return next(item for item in items if item["kind"] == kind and item["metadata"]["name"] == name)


def test_every_path_is_probed_from_every_node(items):
    state = cluster(items)
    due = [probe for node in state.nodes for probe in probes(state, node.name, NAMESPACE, PORT)]
    names = [pod.name for pod in state.pods if pod.name.startswith(NAMESPACE)]
    for kind in ("icmp", "tcp"):
        walked = {(one.source, one.target) for one in due if one.scope == "pod to pod" and one.kind == kind}
        assert walked == {(source, target) for source in names for target in names if source != target}
        walked = {(one.source, one.target) for one in due if one.scope == "node to pod" and one.kind == kind}
        assert walked == {(node.name, target) for node in state.nodes for target in names}
    for scope in ("ClusterIP", "NodePort", "hostPort"):
        for source in ("pod", "node"):
            assert [one for one in due if one.scope == f"{source} to {scope}"], (source, scope)
    reached = {one.target for one in due if one.scope == "pod to NodePort"}
    assert reached == {"node1:30080", "node2:30080", "node3:30080"}
    reached = {(one.source, one.target) for one in due if one.scope == "pod to node"}
    assert reached == {(source, node.name) for source in names for node in state.nodes}


def test_an_answer_must_come_from_the_right_pod(items):
    due = probes(cluster(items), "node1", NAMESPACE, PORT)
    direct = next(one for one in due if one.target == f"{NAMESPACE}/each-2" and one.kind == "tcp")
    assert direct.expect == ["each-2"]
    assert next(one for one in due if one.target == "node3:18080").expect == ["each-3"]
    service = next(one for one in due if one.scope == "node to ClusterIP")
    assert set(service.expect) == {f"{kind}-{n}" for kind in ("each", "some") for n in (1, 2, 3)}


def test_large_packets_are_sent_between_pods(items):
    due = probes(cluster(items), "node1", NAMESPACE, PORT)
    assert {one.size for one in due if one.kind == "icmp"} == {0}


def test_pods_of_a_removed_node_are_left_out(items):
    items.remove(named(items, "Node", "node3"))
    assert {pod.node for pod in cluster(items).pods} == {"node1", "node2"}


def test_an_unknown_node_is_named(items):
    with pytest.raises(ValueError, match=r"'node9' is not in the cluster, which has node1, node2, node3"):
        probes(cluster(items), "node9", NAMESPACE, PORT)


def test_items_without_a_node_are_refused():
    with pytest.raises(ValueError, match="no object of kind Node"):
        cluster([])


def failing(judged):
    """What failed: the check's name (or the kind of the failure), the finding's code, subject and parameters."""
    return [
        (
            failure.failed.name if hasattr(failure.failed, "name") else type(failure.failed).__name__,
            failure.finding.code,
            failure.finding.subject,
            dict(failure.finding.parameters),
        )
        for failure in judged.failures
    ]


def test_a_healthy_cluster_has_no_failure(items, found):
    judged = judge(items, found)
    assert judged.failures == []
    assert judged.ok
    assert judged.summary["pod to pod"] == Count(60, 60)


def test_an_answer_travels_as_json(items, found):
    tell(found)
    told = report_as_json(judge(items, found))
    assert json.loads(json.dumps(told))["checks"] == told["checks"]
    for answer in found.values():
        values = {**json.loads(json.dumps(codec.to_json(answer))), "changed": False, "failed": False}
        assert answer_from(values) == answer


def test_an_answer_of_another_version_is_refused(found):
    values = codec.to_json(found["node1"])
    values["results"][0]["reason"] = "as of old"
    with pytest.raises(ValueError, match=r"results\[0\]: unknown: reason"):
        answer_from(values)


def spoil_ready(items, found):
    status = named(items, "Node", "node2")["status"]
    status["conditions"][0].update(status="False", message="container runtime is down")
    status["nodeInfo"]["containerRuntimeVersion"] = "docker://26.1.5"
    parameters = {"reason": "container runtime is down", "units": "kubelet docker cri-docker"}
    return CheckName.NODE_READY, Code.NODE_NOT_READY, "node2", parameters


def serve(items, **releases):
    """API servers of these releases, on these nodes."""
    for node, release in releases.items():
        number = int(node.removeprefix("node"))
        server = pod(f"kube-apiserver-{node}", number, f"10.77.0.1{number}", namespace="kube-system", hostNetwork=True)
        server["metadata"]["labels"] = {"component": "kube-apiserver", "tier": "control-plane"}
        server["spec"]["containers"][0]["image"] = f"registry.example:5000/kube-apiserver:{release}"
        items.append(server)


def spoil_kubelet(items, found):
    serve(items, node1="v1.20.4", node2="v1.21.0")
    named(items, "Node", "node3")["status"]["nodeInfo"]["kubeletVersion"] = "v1.21.0"
    releases = {"actual": "v1.21.0", "expected": ["v1.20.4", "v1.21.0"]}
    return CheckName.KUBELET_FITS, Code.KUBELET_SKEWED, "node3", releases


def spoil_old_kubelet(items, found):
    serve(items, node1="v1.23.0@sha256:00")
    named(items, "Node", "node3")["status"]["nodeInfo"]["kubeletVersion"] = "v1.19.16"
    return CheckName.KUBELET_FITS, Code.KUBELET_SKEWED, "node3", {"actual": "v1.19.16", "expected": ["v1.23.0"]}


def spoil_api_server(items, found):
    serve(items, node1="v1.22.1", node2="v1.20.15", node3="v1.21.0")
    releases = {"actual": "v1.20.15", "expected": "v1.22.1", "other": "node1"}
    return CheckName.API_SERVERS_FIT, Code.API_SERVER_SKEWED, "node2", releases


def spoil_pod(items, found):
    named(items, "Pod", "each-3")["status"]["conditions"] = []
    return CheckName.POD_READY, Code.POD_NOT_READY, "podnet-verify/each-3", {"host": "node3", "name": "each-3"}


def spoil_address(items, found):
    named(items, "Pod", "some-2")["status"]["podIP"] = "10.244.7.3"
    found["node2"].attachments[1].addresses = ["10.244.7.3"]
    values = {"address": "10.244.7.3", "host": "node2", "cidrs": ["10.244.1.0/24"]}
    return CheckName.POD_ADDRESS_INSIDE, Code.POD_ADDRESS_OUTSIDE, "podnet-verify/some-2", values


def spoil_unique(items, found):
    named(items, "Pod", "some-2")["status"]["podIP"] = "10.244.1.2"
    found["node2"].attachments[1].addresses = ["10.244.1.2"]
    values = {"address": "10.244.1.2", "others": ["podnet-verify/each-2"]}
    return CheckName.POD_ADDRESS_UNIQUE, Code.POD_ADDRESS_SHARED, "podnet-verify/some-2", values


def spoil_cidr(items, found):
    named(items, "Node", "node3")["spec"] = {"podCIDRs": ["10.244.0.0/23"]}
    values = {"cidrs": ["10.244.0.0/24"], "other": "node3", "others": ["10.244.0.0/23"]}
    return CheckName.POD_CIDR_UNIQUE, Code.POD_CIDR_OVERLAPS, "node1", values


def spoil_no_cidr(items, found):
    named(items, "Node", "node3")["spec"] = {}
    return CheckName.POD_CIDR_UNIQUE, Code.POD_CIDR_MISSING, "node3", {}


def spoil_attachment(items, found):
    del found["node1"].attachments[0]
    return CheckName.POD_ADDRESS_MATCHES, Code.POD_ATTACHMENT_MISSING, "podnet-verify/each-1", {"host": "node1"}


def spoil_other_address(items, found):
    found["node1"].attachments[0].addresses = ["10.244.0.9"]
    values = {"host": "node1", "actual": ["10.244.0.9"], "expected": "10.244.0.2"}
    return CheckName.POD_ADDRESS_MATCHES, Code.POD_ADDRESS_MISMATCH, "podnet-verify/each-1", values


def spoil_silent_node(items, found):
    del found["node3"]
    return CheckName.NODE_PROBED, Code.NODE_NOT_PROBED, "node3", {"actual": 0}


def spoil_probe(items, found):
    lose(found["node1"].results[0])
    return "ProbeResult", Code.PROBE_NO_ANSWER, "10.244.0.2", {"timeout": 1.0}


def spoil_tunnel(items, found):
    found["node1"].flows = [flow for flow in found["node1"].flows if flow.destination != "10.77.0.12"]
    return CheckName.VXLAN_SEEN, Code.VXLAN_UNSEEN, "node1", {"peer": "node2", "sent": 0, "received": 7}


def tell(found):
    """What the nodes say of themselves, all alike."""
    for number, (node, answer) in enumerate(sorted(found.items())):
        address = f"10.77.0.{11 + number}"
        own = lease.parse({"name": node, "address": address, "pod_cidrs": [f"10.244.{number}.0/24"]})
        macs = [f"02:00:00:00:00:0{number}"]
        answer.about = About(node, 1000.0 + number, "1.0-a", own, 1450, 2, [address, *macs])


def spoil_clock(items, found):
    tell(found)
    found["node3"].about.time -= 3600
    return CheckName.CLOCKS_AGREE, Code.CLOCK_SKEWED, "node3", {"seconds": 3598}


def spoil_library(items, found):
    tell(found)
    found["node2"].about.library = "0.9-b"
    return CheckName.SAME_LIBRARY, Code.LIBRARY_MISMATCH, "node2", {"actual": "0.9-b", "expected": "1.0-a"}


def spoil_lease(items, found):
    tell(found)
    named(items, "Node", "node2")["spec"] = {"podCIDRs": ["10.244.9.0/24"]}
    values = {"actual": ["10.244.1.0/24"], "expected": ["10.244.9.0/24"]}
    return CheckName.POD_CIDR_MATCHES, Code.POD_CIDR_MISMATCH, "node2", values


def spoil_node_address(items, found):
    tell(found)
    named(items, "Node", "node2")["status"]["addresses"][0]["address"] = "10.77.0.99"
    values = {"actual": "10.77.0.12", "expected": "10.77.0.99"}
    return CheckName.NODE_ADDRESS_MATCHES, Code.NODE_ADDRESS_MISMATCH, "node2", values


def spoil_peers(items, found):
    tell(found)
    found["node1"].about.peers = 3
    return CheckName.PEERS_COMPLETE, Code.PEERS_INCOMPLETE, "node1", {"actual": 3, "expected": 2}


def spoil_twice(items, found):
    tell(found)
    found["node3"].about.addresses.append("10.77.0.12")
    values = {"address": "10.77.0.12", "others": ["node2"]}
    return CheckName.NO_DUPLICATE_NODE_ADDRESSES, Code.NODE_ADDRESS_DUPLICATE, "node3", values


def spoil_vtep(items, found):
    tell(found)
    found["node3"].about.addresses[1] = "02:00:00:00:00:01"
    values = {"address": "02:00:00:00:00:01", "others": ["node3"]}
    return CheckName.NO_DUPLICATE_NODE_ADDRESSES, Code.NODE_ADDRESS_DUPLICATE, "node2", values


def spoil_resolver(items, found):
    items.append(
        {
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system"},
            "spec": {"clusterIP": "10.96.0.10", "selector": {"k8s-app": "kube-dns"}, "ports": [{"port": 53}]},
        }
    )
    return CheckName.DNS_ENDPOINTS, Code.SERVICE_NO_ENDPOINTS, "kube-system/kube-dns", {"name": "kube-dns"}


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
        spoil_kubelet,
        spoil_old_kubelet,
        spoil_api_server,
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
def test_every_fault_has_its_finding(items, found, spoil):
    what, code, subject, parameters = spoil(items, found)
    judged = judge(items, found)
    assert not judged.ok
    assert any(
        (one[0], one[1], one[2]) == (what, code, subject) and {**one[3], **parameters} == one[3]
        for one in failing(judged)
    ), failing(judged)
    shown = report_as_json(judged)["failures"]
    assert all(entry["text"] and entry["finding"]["fix"] for entry in shown)


def test_nodes_that_agree_are_well(items, found):
    tell(found)
    assert judge(items, found).ok


def test_nodes_have_the_library_of_the_controller(items, found):
    tell(found)
    judged = report(cluster(items), found, NAMESPACE, PORT, True, library="2.0-c")
    assert failing(judged) == [
        (CheckName.SAME_LIBRARY, Code.LIBRARY_MISMATCH, node, {"actual": "1.0-a", "expected": "2.0-c"})
        for node in ("node1", "node2", "node3")
    ]


def test_without_a_tunnel_none_is_expected(items, found):
    for answer in found.values():
        answer.flows = []
    assert judge(items, found, tunnel=False).ok
    assert not judge(items, found, tunnel=True).ok


def test_no_probe_is_no_proof(items):
    judged = judge(items[:1], {"node1": NodeAnswer("node1")}, tunnel=False)
    assert not judged.ok
    assert failing(judged) == [("NoneType", Code.NOTHING_PROBED, NAMESPACE, {})]


def test_tables_show_nodes_matrix_and_verdict(items, found):
    text = render(report_as_json(judge(items, found)), 120)
    for shown in ("10.244.1.0/24", "0a:00:00:00:00:01", "v1.20.2", "Debian 12", "each-3", "ClusterIP", "UDP 8472"):
        assert shown in text
    assert "✗" not in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 120


def test_tables_show_which_pair_fails(items, found):
    result = next(one for one in found["node1"].results if one.scope == "pod to pod" and one.kind == "icmp")
    lose(result)
    text = render(report_as_json(judge(items, found)), 120)
    assert "✗ icmp" in text
    assert f"{result.source} → {result.target}: no answer" in " ".join(text.split())
    assert "1 failures" in text


def test_picture_is_a_picture(items, found):
    picture = export_svg(report_as_json(judge(items, found)), "a lab")
    assert picture.startswith("<svg")
    assert "url(http" not in picture, "nothing is loaded from the network"
    assert "a&#160;lab" in picture or "a lab" in picture


@pytest.mark.parametrize(
    "releases", [{}, {"node1": "v1.20.4"}, {"node1": "v1.21.0", "node2": "v1.20.4"}, {"node1": "v1.23.9"}]
)
def test_releases_that_kubernetes_supports_together(items, found, releases):
    serve(items, **releases)
    judged = judge(items, found)
    names = {check.name for check in judged.checks}
    assert judged.ok and ({CheckName.KUBELET_FITS, CheckName.API_SERVERS_FIT} <= names) == bool(releases)
