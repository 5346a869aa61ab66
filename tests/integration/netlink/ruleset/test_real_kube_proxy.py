# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the real kube-proxy, of every release that the lab has built and in both modes, with the real API
server: what the evaluator makes of packets to Services of each kind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset import walk
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.host import KernelNode
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.packet import TCP, UDP, Packet
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.read import Ruleset
from standin import cluster as real
from standin.client import wait

NODE, CLIENT = "10.1.0.1", "10.244.1.2"
LOCAL, FAR = "10.244.1.3", "10.244.2.3"
#: Its sysctls of connection tracking are the host's.
CONNTRACK = {
    f"conntrack_{name}": 0 for name in ("max_per_core", "min", "tcp_timeout_established", "tcp_timeout_close_wait")
}
#: Each Service: what is special about it, its endpoints (address → conditions).
READY, GOING = {"ready": True}, {"ready": False, "serving": True, "terminating": True}
SERVICES = {
    "web": ({}, {LOCAL: READY, FAR: READY}),
    "sticky": ({"sessionAffinity": "ClientIP"}, {LOCAL: READY, FAR: READY}),
    "inside": ({"internalTrafficPolicy": "Local"}, {LOCAL: READY, FAR: READY}),
    "outside": ({"externalTrafficPolicy": "Local"}, {LOCAL: READY, FAR: READY}),
    "elsewhere": ({"externalTrafficPolicy": "Local"}, {FAR: READY}),
    "empty": ({}, {FAR: {"ready": False}}),
    "going": ({}, {LOCAL: GOING}),
    "lb": ({"type": "LoadBalancer"}, {FAR: READY}),
}
NUMBERS = {name: number for number, name in enumerate(SERVICES, 10)}
BALANCER = "203.0.113.7"


def programs() -> list[Path]:
    cache = Path(os.environ.get("PODNET_CACHE", "/var/cache/podnet")) / "kubernetes"
    return sorted(cache.glob("programs-kubernetes-*/kube-proxy"))


@pytest.fixture(scope="module")
def cluster(netns_type, tmp_path_factory):
    """The API server in a namespace that is node1's as well, with the Services above."""
    archive = real.archive()
    if archive is None or not programs():
        pytest.skip("needs the lab's archive of Kubernetes: `make lab` builds it")
    name = f"podnet-proxy-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    netns = netns_type(name)
    directory = tmp_path_factory.mktemp("cluster")
    real.unpack(archive, directory)
    try:
        netns.run("ip link set lo up")
        netns.run("ip link add out0 type veth peer name cni0")
        netns.run("ip link set out0 up")
        netns.run("ip link set cni0 up")
        netns.run(f"ip address add {NODE}/24 dev out0")
        netns.run("ip address add 10.244.1.1/24 dev cni0")
        netns.run("ip route add default via 10.1.0.254")
        netns.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        with netns.entered(), real.running(directory) as running:
            running.admin.do("POST", "/api/v1/nodes", {"metadata": {"name": "node1"}})
            status = {"status": {"addresses": [{"type": "InternalIP", "address": NODE}]}}
            running.admin.do("PATCH", "/api/v1/nodes/node1/status", status, "application/merge-patch+json")
            for service, (more, endpoints) in SERVICES.items():
                make(running.admin, service, more, endpoints)
            yield running, netns
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False)


def make(admin, name: str, more: dict, endpoints: dict[str, dict]) -> None:
    number = NUMBERS[name]
    ports = [
        {"name": kind.lower(), "protocol": kind, "port": 80, "nodePort": 30000 + number} for kind in ("TCP", "UDP")
    ]
    spec = {"type": "NodePort", "clusterIP": f"10.96.0.{number}", "ports": ports, **more}
    service = admin.do("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": name}, "spec": spec})
    if more.get("type") == "LoadBalancer":
        status = {"status": {"loadBalancer": {"ingress": [{"ip": BALANCER}]}}}
        path = f"/api/v1/namespaces/default/services/{service['metadata']['name']}/status"
        admin.do("PATCH", path, status, "application/merge-patch+json")
    entries = [
        {"addresses": [address], "conditions": each, "nodeName": "node1" if address == LOCAL else "node2"}
        for address, each in endpoints.items()
    ]
    labels = {"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "tests"}
    ports = [{"name": kind.lower(), "protocol": kind, "port": 8080} for kind in ("TCP", "UDP")]
    slice_ = {"metadata": {"name": f"{name}-1", "labels": labels}, "addressType": "IPv4"}
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    admin.do("POST", path, {**slice_, "endpoints": entries, "ports": ports})


@pytest.fixture(scope="module", params=[(path, mode) for path in programs() for mode in ("iptables", "nftables")],
                ids=lambda given: f"{given[0].parent.name.split('-')[2]}-{given[1]}")  # fmt: skip
def to(cluster, request):
    """A function: the outcomes of a packet to an address and port of the node with kube-proxy's rules."""
    running, netns = cluster
    program, mode = request.param
    (running.directory / "kube-proxy").unlink(missing_ok=True)
    (running.directory / "kube-proxy").symlink_to(program)
    proxy = running.run("kube-proxy", kubeconfig=running.kubeconfig, hostname_override="node1", proxy_mode=mode,
                        cluster_cidr="10.244.0.0/16", **CONNTRACK)  # fmt: skip

    def outcomes(address: str, port: int, source: str = CLIENT, iif: str = "cni0", protocol: int = TCP):
        with Ruleset() as ruleset, Channel() as channel:
            return list(
                walk.outcomes(ruleset, KernelNode(channel), Packet(source, address, protocol, 40000, port, iif=iif))
            )

    def ready() -> bool:
        assert proxy.poll() is None, (running.directory / "kube-proxy.log").read_text()[-3000:]
        return destinations(outcomes("10.96.0.10", 80)) == {LOCAL, FAR}

    wait(ready, bool, 60)
    yield outcomes
    running.processes.remove(proxy)
    proxy.terminate()
    proxy.wait(20)
    netns.run("nft flush ruleset")


def destinations(found) -> set[str]:
    return {one.packet.destination for one in found if one.verdict == "accept" and one.effects}


def verdicts(found) -> set[str]:
    return {one.verdict for one in found}


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_cluster_addresses(to, protocol):
    for name, ends in (
        ("web", {LOCAL, FAR}),
        ("sticky", {LOCAL, FAR}),
        ("inside", {LOCAL}),
        ("going", {LOCAL}),
        ("lb", {FAR}),
    ):
        found = to(f"10.96.0.{NUMBERS[name]}", 80, protocol=protocol)
        assert destinations(found) == ends, (name, found)
        assert {one.packet.dport for one in found} == {8080}
        assert not [one.unknown for one in found if one.unknown], name
        # what a pod sends keeps its address
        assert {one.packet.source for one in found} == {CLIENT}, name
    assert verdicts(to(f"10.96.0.{NUMBERS['empty']}", 80, protocol=protocol)) == {"reject"}


def test_an_endpoint_that_asks_itself_is_masqueraded(to):
    found = to(f"10.96.0.{NUMBERS['web']}", 80, source=LOCAL)
    hidden = {one.packet.destination: one.packet.source != LOCAL for one in found}
    assert hidden == {LOCAL: True, FAR: False}


def test_node_ports(to):
    outside = {"source": "198.51.100.9", "iif": "out0"}
    for name, ends, masked in (("web", {LOCAL, FAR}, True), ("outside", {LOCAL}, False), ("going", {LOCAL}, True)):
        found = to(NODE, 30000 + NUMBERS[name], **outside)
        assert destinations(found) == ends, (name, found)
        assert {one.packet.source != outside["source"] for one in found} == {masked}, name
    assert verdicts(to(NODE, 30000 + NUMBERS["elsewhere"], **outside)) == {"drop"}
    assert verdicts(to(NODE, 30000 + NUMBERS["empty"], **outside)) == {"reject"}


def test_a_load_balancer_s_address_and_what_the_node_sends(to):
    assert destinations(to(BALANCER, 80, source="198.51.100.9", iif="out0")) == {FAR}
    assert destinations(to(f"10.96.0.{NUMBERS['web']}", 80, source=NODE, iif="")) == {LOCAL, FAR}


def test_whose_rule_it_is(to):
    for address in (f"10.96.0.{NUMBERS['web']}", f"10.96.0.{NUMBERS['empty']}"):
        for one in to(address, 80):
            rules = [one.rule, *(effect.rule for effect in one.effects)]
            assert all(rule.key.table == "kube-proxy" or rule.key.name.startswith("KUBE-") for rule in rules if rule)
