# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path to a Service, translated as kube-proxy does it; a server answers in the pods behind it."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import Endpoint

ADDRESS, PORT = "10.96.0.50", 8080
#: A Service's chains as kube-proxy makes them: what a pod sends to itself must come back to it under another address.
RULES = """*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SEP - [0:0]
:KUBE-MARK-MASQ - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j KUBE-SERVICES
-A POSTROUTING -j KUBE-POSTROUTING
-A KUBE-SERVICES -d {service} -p tcp --dport {port} -j KUBE-SEP
-A KUBE-SEP -s {pod} -j KUBE-MARK-MASQ
-A KUBE-SEP -p tcp -j DNAT --to-destination {pod}:{port}
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-POSTROUTING -m mark --mark 0x4000 -j MASQUERADE
COMMIT
"""


@pytest.fixture
def service(cluster):
    """A function that puts a Service before a pod; all is gone after the test."""
    node, servers = cluster.nodes[0], []

    def serve(pod) -> Endpoint:
        listening = f"TCP4-LISTEN:{PORT},reuseaddr,fork"
        words = ["nsenter", f"--net={pod.netns.path}", "socat", listening, "SYSTEM:echo ok"]
        servers.append(subprocess.Popen(words))
        pod.netns.run("sh", "-c", f"while ! ss -Hltn sport {PORT} | grep -q {PORT}; do sleep 0.05; done")
        rules = RULES.format(service=ADDRESS, port=PORT, pod=pod.address)
        node.netns.run("iptables-restore", input=rules)
        end = Endpoint("service", "default/web", ADDRESS, "", (pod.address,))
        cluster.services[:] = [end]
        return end

    yield serve
    for server in servers:
        server.terminate()
        server.wait()
    node.run("nft flush table ip nat")
    node.run("nft delete table ip nat")
    cluster.services.clear()


def test_a_service_of_another_node_s_pod(cluster, service):
    service(cluster.nodes[1].pods[0])
    found = cluster.traced(cluster.nodes[0].pods[0], "default/web", PORT)
    assert found["ok"] and not found["verdict"], found["verdict"]
    assert [probe["ok"] for probe in found["probes"] if probe["scope"] == "service"] == [True]
    assert [hop["verdict"] for hop in found["paths"][0]["hops"] if hop["step"] == "service"] == ["ok"]


def test_a_service_s_own_pod_needs_hairpin_mode(cluster, service):
    node = cluster.nodes[0]
    pod = node.pods[0]
    service(pod)
    found = cluster.traced(pod, ADDRESS, PORT)
    assert found["ok"], (found["verdict"], [p for p in found["probes"] if not p["ok"]])
    node.run(f"bridge link set dev {pod.host} hairpin off")
    try:
        found = cluster.traced(pod, ADDRESS, PORT)
        assert [probe["ok"] for probe in found["probes"] if probe["scope"] == "service"] == [False]
        verdict = found["verdict"]
        assert (verdict["node"], verdict["step"]) == ("node1", "port")
        assert (verdict["code"], verdict["subject"]) == ("port.no-hairpin", pod.host)
        assert verdict["fix"] == f"bridge link set dev {pod.host} hairpin on"
    finally:
        node.run(f"bridge link set dev {pod.host} hairpin on")
    assert cluster.traced(pod, ADDRESS, PORT)["ok"]


def test_a_service_that_is_not_translated(cluster, service):
    service(cluster.nodes[1].pods[0])
    cluster.nodes[0].run("iptables -t nat -F KUBE-SERVICES")
    found = cluster.traced(cluster.nodes[0].pods[0], "default/web", PORT)
    assert (found["verdict"]["node"], found["verdict"]["code"]) == ("node1", "service.no-dnat"), found["verdict"]


def test_a_service_that_leads_to_a_pod_that_is_gone(cluster, service):
    service(cluster.nodes[1].pods[0])
    cluster.nodes[0].run(f"iptables -t nat -R KUBE-SEP 2 -p tcp -j DNAT --to-destination 10.244.2.200:{PORT}")
    found = cluster.traced(cluster.nodes[0].pods[0], "default/web", PORT)
    assert (found["verdict"]["node"], found["verdict"]["code"]) == ("node1", "service.dnat-wrong"), found["verdict"]


def test_a_service_without_a_pod(cluster):
    cluster.services[:] = [Endpoint("service", "default/web", ADDRESS)]
    try:
        verdict = cluster.looked_at(cluster.nodes[0].pods[0], "default/web")["verdict"]
        assert (verdict["code"], verdict["subject"]) == ("service.no-endpoints", "default/web")
    finally:
        cluster.services.clear()
