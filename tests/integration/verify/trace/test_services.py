# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path to a Service, translated as kube-proxy does it; a server answers in the pods behind it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import faults
import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import Endpoint
from standin import kube_proxy

from .test_faults import names, place

ADDRESS, PORT, NODE_PORT = "10.96.0.50", 8080, 30080
#: A Service's chains as kube-proxy makes them: what a pod sends to itself must come back to it under another address.
RULES = """*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-EXT-W - [0:0]
:KUBE-SVC-W - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SEP-B - [0:0]
:KUBE-MARK-MASQ - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j KUBE-SERVICES
-A POSTROUTING -j KUBE-POSTROUTING
-A KUBE-SERVICES -d {service} -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport {port} -j KUBE-SVC-W
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport {node_port} -j KUBE-EXT-W
-A KUBE-EXT-W -j KUBE-MARK-MASQ
-A KUBE-EXT-W -j KUBE-SVC-W
{chosen}
{endpoints}
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -j MASQUERADE
COMMIT
*filter
:FORWARD ACCEPT [0:0]
:KUBE-PROXY - [0:0]
:KUBE-FORWARD - [0:0]
-A FORWARD -j KUBE-FORWARD
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
"""


def rules(pods) -> str:
    """Those of kube-proxy in mode iptables, for endpoints in these pods."""
    chance = ["-m statistic --mode random --probability 0.5 ", ""][-len(pods) :]
    ends = [*zip("AB", pods)]
    chosen = [f"-A KUBE-SVC-W {by}-j KUBE-SEP-{name}" for by, (name, _pod) in zip(chance, ends)]
    endpoints = [
        f"-A KUBE-SEP-{name} -s {pod.address} -j KUBE-MARK-MASQ\n"
        f"-A KUBE-SEP-{name} -p tcp -j DNAT --to-destination {pod.address}:{PORT}"
        for name, pod in ends
    ]
    words = {"chosen": "\n".join(chosen), "endpoints": "\n".join(endpoints)}
    return RULES.format(service=ADDRESS, port=PORT, node_port=NODE_PORT, **words)


def clear(node) -> None:
    for table in ("nat", "filter"):
        node.run(f"nft delete table ip {table}", check=False)


@pytest.fixture
def service(cluster):
    """A function that puts a Service before pods, on the first two nodes; all is gone after the test."""
    servers: list[subprocess.Popen] = []

    def serve(*pods) -> Endpoint:
        for pod in pods:
            words = [
                "nsenter",
                f"--net={pod.netns.path}",
                "socat",
                f"TCP4-LISTEN:{PORT},reuseaddr,fork",
                "SYSTEM:echo ok",
            ]
            servers.append(subprocess.Popen(words))
            pod.netns.run("sh", "-c", f"while ! ss -Hltn sport {PORT} | grep -q {PORT}; do sleep 0.05; done")
        for node in cluster.nodes[:2]:
            node.netns.run("iptables-restore", input=rules(pods))
            node.run(f"ip route replace 10.96.0.0/12 via {cluster.nodes[2].address}")
        end = Endpoint("service", "default/web", ADDRESS, "", tuple(pod.address for pod in pods), False, ("TCP",))
        cluster.services[:] = [end]
        return end

    yield serve
    for server in servers:
        server.terminate()
        server.wait()
    for node in cluster.nodes[:2]:
        clear(node)
        node.run("ip route del 10.96.0.0/12", check=False)
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


def test_a_service_s_own_pod_needs_another_source_address(cluster, service):
    pod = cluster.nodes[0].pods[0]
    service(pod)
    cluster.nodes[0].run(f"iptables -t nat -D KUBE-SEP-A -s {pod.address} -j KUBE-MARK-MASQ")
    found = cluster.traced(pod, ADDRESS, PORT)
    verdict = found["verdict"]
    assert (verdict["node"], verdict["step"], verdict["code"]) == ("node1", "service", "service.no-hairpin-snat")
    assert verdict["parameters"]["source"] == pod.address
    assert [probe["ok"] for probe in found["probes"] if probe["scope"] == "service"] == [False]


def test_a_service_that_is_not_translated(cluster, service):
    service(cluster.nodes[1].pods[0])
    cluster.nodes[0].run("iptables -t nat -F KUBE-SERVICES")
    found = cluster.traced(cluster.nodes[0].pods[0], "default/web", PORT)
    assert (found["verdict"]["node"], found["verdict"]["code"]) == ("node1", "service.no-dnat"), found["verdict"]


def test_a_service_that_leads_to_a_pod_that_is_gone(cluster, service):
    service(cluster.nodes[1].pods[0])
    cluster.nodes[0].run(f"iptables -t nat -R KUBE-SEP-A 2 -p tcp -j DNAT --to-destination 10.244.2.200:{PORT}")
    found = cluster.traced(cluster.nodes[0].pods[0], "default/web", PORT)
    assert (found["verdict"]["node"], found["verdict"]["code"]) == ("node1", "service.endpoints-stale"), found[
        "verdict"
    ]


def test_a_service_without_a_pod(cluster):
    cluster.services[:] = [Endpoint("service", "default/web", ADDRESS)]
    try:
        verdict = cluster.looked_at(cluster.nodes[0].pods[0], "default/web")["verdict"]
        assert (verdict["code"], verdict["subject"]) == ("service.no-endpoints", "default/web")
    finally:
        cluster.services.clear()


def look(cluster, source: str, end: Endpoint, port: int, packets: bool) -> dict:
    """The trace to the Service as the API has it then; nodes' states alone without ``packets``."""
    cluster.services[:] = [end]
    return cluster.traced(source, end.name, port) if packets else cluster.looked_at(source, end.name, port)


def assert_healthy(found: dict) -> None:
    assert found["ok"], (found["verdict"], [probe for probe in found["probes"] if not probe["ok"]])
    assert not found["verdict"]


@pytest.mark.parametrize("fault", faults.load(faults.SERVICES), ids=lambda fault: fault["name"].replace(" ", "-"))
def test_a_fault_of_a_service_is_named(cluster, service, impatient, fault):
    """By the nodes' states alone, unless packets are asked for; and nothing is found before and after."""
    pods = [cluster.nodes[1].pods[0], cluster.nodes[2].pods[1]]
    known = {**names(cluster), "K1": ADDRESS}
    end, port, source = service(*pods), PORT, fault.get("from", "a1")
    if fault.get("to") == "port":
        node = cluster.nodes[1]
        end = replace(end, address=node.address, node=node.name)
        port = NODE_PORT
    assert_healthy(look(cluster, source, end, port, False))
    api = fault.get("api", {})
    backends = tuple(faults.filled(each, known) for each in api.get("backends", end.backends))
    wrong = replace(end, backends=backends, local=api.get("local", False))

    def at(name: str, script: str) -> None:
        netns, node = place(cluster, name)
        if script == "apply":
            clear(node)
            netns.run("iptables-restore", input=rules(pods))
        else:
            netns.run("sh", "-ec", script)

    wanted = fault["verdict"]
    try:
        faults.run(fault, fault["inject"], known, at)
        found = look(cluster, source, wrong, port, fault.get("packets", False))
        told = json.dumps([found["verdict"], found["notes"]], indent=1)
        assert found["verdict"], [probe for probe in found["probes"] if not probe["ok"]]
        assert (found["verdict"]["node"], found["verdict"]["step"]) == (wanted["node"], wanted["step"]), told
        assert faults.judged(wanted, found["verdict"], known), told
        if "packets" not in fault and source == "a1" and not api:  # and packets do not change the verdict
            assert look(cluster, source, wrong, port, True)["verdict"]["code"] == wanted["code"]
    finally:
        faults.run(fault, fault["fix"], known, at)
    assert_healthy(look(cluster, source, end, port, False))


def test_podnetctl_follows_an_address_by_the_node_s_rules(cluster, service, impatient):
    """It asks no API: the endpoints are those that kube-proxy's rules lead to."""
    pod = cluster.nodes[1].pods[0]
    service(pod)
    found = cluster.nodes[0].trace(cluster.nodes[0].pods[0], ADDRESS, "--port", str(PORT))
    assert (found["to"]["kind"], found["to"]["backends"]) == ("service", [pod.address])
    assert [hop["verdict"] for hop in found["paths"][0]["hops"] if hop["step"] == "service"] == ["ok"]
    assert [probe["ok"] for probe in found["probes"] if probe["scope"] == "service"] == [True]


@pytest.mark.parametrize("mode", [*kube_proxy.SHAPES])
def test_kube_proxy_in_mode_nftables(cluster, service, mode):
    """Its shapes of different releases: what they lead to, and what stands before them."""
    pods = [cluster.nodes[1].pods[0], cluster.nodes[2].pods[1]]
    end, node, source = service(*pods), cluster.nodes[0], cluster.nodes[0].pods[0]
    clear(node)
    endpoints = [pod.address for pod in pods]
    rules_of_proxy = kube_proxy.rules(mode, 4, endpoints, node.address).replace("udp", "tcp")
    node.netns.run("nft", "-f", "-", input=rules_of_proxy.replace(kube_proxy.service(4), ADDRESS))
    notrack = "table ip foreign { chain pre { type filter hook prerouting priority -300; tcp dport 80 notrack; }; }"
    try:
        assert_healthy(look(cluster, source, end, 80, False))
        node.netns.run("nft", notrack)
        assert look(cluster, source, end, 80, False)["verdict"]["code"] == "service.untracked"
        node.run("nft delete table ip foreign")
        found = look(cluster, source, replace(end, backends=(endpoints[0],)), 80, False)["verdict"]
        assert (found["code"], found["parameters"]["actual"]) == ("service.endpoints-stale", [endpoints[1]])
        node.run("nft flush chain ip kube-proxy nat-prerouting")  # it rejects what comes to cluster-ips untranslated
        assert look(cluster, source, end, 80, False)["verdict"]["code"] == "service.refused-by-proxy"
    finally:
        node.run("nft delete table ip kube-proxy")
