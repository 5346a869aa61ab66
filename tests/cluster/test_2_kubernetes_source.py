# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Agents that follow the nodes in the API server, with credentials of their own; the file's, and back."""

from __future__ import annotations

import json

import pytest

from .conftest import OVERLAY

FLANNEL = "flannel.alpha.coreos.com/"


@pytest.fixture(scope="module")
def followed(_lab):
    """The lab, whose agents follow the API: by default."""
    if _lab.broken:
        pytest.skip(f"the lab is not fit for this: {_lab.broken}")
    return _lab


def source(lab, name: str) -> dict:
    """What the node's agent says of its source."""
    told = json.loads(lab.node(name, "podnetctl status --json; true"))
    return (told["agent"] or {}).get("source", {})


def peers(lab, name: str) -> set[str]:
    """The pod CIDRs that the node has routes to, as ip tells."""
    routes = json.loads(lab.node(name, "ip -j route show proto 112 type unicast"))
    return {route["dst"] for route in routes}


def test_every_agent_follows_the_api(followed):
    for name in followed.names:
        followed.until(f"{name} follows the API", lambda name=name: source(followed, name).get("connected"), 30)
        assert source(followed, name)["nodes"] == 3
    assert followed.play(OVERLAY).changed == {}


def test_nodes_say_in_flannel_s_words_how_they_are_reached(followed):
    def told() -> bool:
        nodes = followed.objects("nodes")
        return all(FLANNEL + "backend-data" in node["metadata"].get("annotations", {}) for node in nodes)

    followed.until("annotations", told, 30)
    for node in followed.objects("nodes"):
        name, annotations = node["metadata"]["name"], node["metadata"]["annotations"]
        (device,) = json.loads(followed.node(name, "ip -j link show flannel.1"))
        assert json.loads(annotations[FLANNEL + "backend-data"]) == {"VNI": 1, "VtepMAC": device["address"]}
        (address,) = [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
        assert annotations[FLANNEL + "public-ip"] == address
        (condition,) = [each for each in node["status"]["conditions"] if each["type"] == "NetworkUnavailable"]
        assert condition["status"] == "False"


def test_a_node_of_flanneld_is_a_peer_while_it_is_there(followed):
    """A Node with the annotations that flanneld writes; the cluster's own controller gives it its pod CIDR."""
    annotations = {
        FLANNEL + "kube-subnet-manager": "true",
        FLANNEL + "backend-type": "vxlan",
        FLANNEL + "backend-data": '{"VNI":1,"VtepMAC":"0a:00:00:00:00:99"}',
        FLANNEL + "public-ip": "10.79.0.99",
    }
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "flanneld", "annotations": annotations}}
    followed.node("node1", f"echo '{json.dumps(node)}' | kubectl create -f -")
    try:
        followed.until("a pod CIDR", lambda: "podCIDR" in node_of(followed)["spec"], 30)
        cidr = node_of(followed)["spec"]["podCIDR"]
        for name in followed.names:
            followed.until(f"a route on {name}", lambda name=name: cidr in peers(followed, name), 10)
            (entry,) = [
                each
                for each in json.loads(followed.node(name, "bridge -j fdb show dev flannel.1"))
                if each["mac"] == "0a:00:00:00:00:99"
            ]
            assert entry["dst"] == "10.79.0.99"
    finally:
        followed.kubectl("delete", "node", "flanneld")
    for name in followed.names:
        followed.until(f"no route on {name}", lambda name=name: len(peers(followed, name)) == 2, 10)


def node_of(lab) -> dict:
    """The Node that is not ours."""
    return json.loads(lab.kubectl("get", "node", "flanneld", "--output", "json"))


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        ("list nodes", "yes"),
        ("watch nodes", "yes"),
        ("patch nodes/node2 --subresource=status", "yes"),
        ("patch nodes/node3 --subresource=status", "no"),
        ("patch nodes/node2", "no"),
        ("delete nodes/node2", "no"),
        ("list pods --all-namespaces", "no"),
        ("get secrets --all-namespaces", "no"),
        ("* *", "no"),
    ],
)
def test_an_agent_may_do_that_and_nothing_more(followed, words, allowed):
    who = "--as=podnet:node:node2 --as-group=podnet:nodes --as-group=system:authenticated"
    said = followed.node("node1", f"set -f; kubectl auth can-i {words} {who} 2>/dev/null; true")
    assert said.strip() == allowed


def test_the_key_is_the_node_s_own(followed):
    keys = {followed.node(name, "cat /etc/podnet/kube/node.pem") for name in followed.names}
    assert len(keys) == 3
    for name in followed.names:
        assert followed.node(name, "stat -c %a /etc/podnet/kube/node.pem").strip() == "600"
        said = followed.node(name, "openssl x509 -in /etc/podnet/kube/node.pem -noout -subject || true")
        assert not said or f"podnet:node:{name}" in said


def test_the_agent_s_unit_is_sandboxed(followed):
    """And all that the other tests ask of it works in there."""
    for name in followed.names:
        said = followed.node(name, "systemd-analyze security --no-pager --threshold=40 podnetd")
        assert float(said.split()[-3]) <= 4.0, said[-200:]
        assert "Read-only file system" in followed.node(
            name, "nsenter -t $(systemctl show -P MainPID podnetd) -m touch /usr/x /etc/x 2>&1; true"
        )


def test_peers_are_looked_for_where_the_nodes_are(followed):
    """A Node that claims an address elsewhere is refused, by every agent."""
    for name in followed.names:
        assert json.loads(followed.node(name, "cat /etc/podnet/overlay.json"))["underlay_networks"] == ["10.79.0.0/24"]
    annotations = {
        FLANNEL + "kube-subnet-manager": "true",
        FLANNEL + "backend-type": "vxlan",
        FLANNEL + "backend-data": '{"VNI":1,"VtepMAC":"0a:00:00:00:00:98"}',
        FLANNEL + "public-ip": "198.51.100.7",
    }
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "flanneld", "annotations": annotations}}
    followed.node("node1", f"echo '{json.dumps(node)}' | kubectl create -f -")
    try:
        for name in followed.names:
            followed.until(f"refused on {name}", lambda name=name: "flanneld" in refused(followed, name), 30)
            assert refused(followed, name)["flanneld"]["code"] == "lease.address-outside-underlay"
    finally:
        followed.kubectl("delete", "node", "flanneld")


def refused(lab, name: str) -> dict[str, dict]:
    """The finding about each peer that the agent refuses."""
    return json.loads(lab.node(name, "podnetctl status --json; true"))["refused"]


def test_the_file_s_leases_and_back(followed):
    followed.play(OVERLAY, "-e", "overlay_source=file")
    for name in followed.names:
        assert source(followed, name)["type"] == "file" and len(peers(followed, name)) == 2
    followed.play(OVERLAY)
    for name in followed.names:
        followed.until(f"{name} follows the API", lambda name=name: source(followed, name).get("connected"), 30)
        assert source(followed, name)["type"] == "kubernetes" and len(peers(followed, name)) == 2
