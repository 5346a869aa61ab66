# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes and the capture between network namespaces: two nodes, the tunnel made by hand, a pod behind each."""

from __future__ import annotations

import json
import socket
import struct
import threading
import types

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe.attachments import attachments
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe.probe import Probe
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe.runner import run
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe.vxlan_counter import VxlanCounter

POD = {1: "10.244.1.2", 2: "10.244.2.2"}


@pytest.fixture
def two(make_netns):
    """Two nodes on one underlay, 198.18.0.1 and .2, a pod behind each, and a VXLAN between them made with ``ip``."""
    nodes, pods = {1: make_netns(), 2: make_netns()}, {1: make_netns(), 2: make_netns()}
    nodes[1].run(f"ip link add under type veth peer name under netns {nodes[2].name}")
    for number, node in nodes.items():
        other = 3 - number
        node.run(f"ip address add 198.18.0.{number}/24 dev under")
        node.run("ip link set under up")
        node.sysctl("net.ipv4.ip_forward", "1")
        node.run(
            f"ip link add vx0 address 02:00:00:00:00:0{number} type vxlan id 1 dstport 8472"
            f" local 198.18.0.{number} nolearning"
        )
        node.run("ip link set vx0 mtu 1450 up")
        node.run(f"ip address add 10.244.{number}.0/32 dev vx0")
        node.run(f"ip neighbour add 10.244.{other}.0 lladdr 02:00:00:00:00:0{other} dev vx0 nud permanent")
        node.run(f"bridge fdb add 02:00:00:00:00:0{other} dev vx0 dst 198.18.0.{other} self permanent")
        node.run(f"ip route add 10.244.{other}.0/24 via 10.244.{other}.0 dev vx0 onlink")
        node.run(f"ip link add pod mtu 1450 type veth peer name eth0 mtu 1450 netns {pods[number].name}")
        node.run("ip link set pod up")
        node.run(f"ip address add 10.244.{number}.1/24 dev pod")
        pods[number].run(f"ip address add {POD[number]}/24 dev eth0")
        pods[number].run("ip link set eth0 up")
        pods[number].run(f"ip route add default via 10.244.{number}.1")
    return types.SimpleNamespace(nodes=nodes, pods=pods)


@pytest.fixture
def server():
    """A function that answers TCP and UDP in a namespace with a text; it ends with the test."""
    open_sockets: list[socket.socket] = []

    def serve(netns, port: int, text: str) -> None:
        with netns.entered():
            stream, datagram = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        open_sockets.extend((stream, datagram))
        stream.bind(("", port))
        stream.listen()
        datagram.bind(("", port))
        threading.Thread(target=_tcp, args=(stream, text), daemon=True).start()
        threading.Thread(target=_udp, args=(datagram, text), daemon=True).start()

    yield serve
    for one in open_sockets:
        one.close()


def _tcp(stream, text):
    while True:
        try:
            peer, _address = stream.accept()
        except OSError:
            return
        with peer:
            peer.recv(100)
            peer.sendall(text.encode())


def _udp(datagram, text):
    while True:
        try:
            _data, address = datagram.recvfrom(100)
            datagram.sendto(text.encode(), address)
        except OSError:
            return


def one(kind, address, netns, **more):
    (result,) = run([Probe(kind, address, netns=netns.path, **{"timeout": 0.3, "attempts": 2, **more})])
    return result


def assert_failed(result, code, **parameters):
    """The probe failed by that code, and these are among its finding's parameters."""
    assert not result.ok
    assert result.failure is not None
    assert result.failure.code == code, result.failure
    assert {**result.failure.parameters, **parameters} == result.failure.parameters


def test_pod_reaches_pod_through_the_tunnel_in_full_packets(two):
    result = one("icmp", POD[2], two.pods[1], size=0)
    assert result.ok, result.failure
    assert result.size == 1450
    assert result.ms > 0


def test_exchange_by_tcp_and_udp(two, server):
    server(two.pods[2], 8080, "pod two")
    for kind in ("tcp", "udp"):
        good = one(kind, POD[2], two.pods[1], port=8080, send="who?", expect=["pod one", "pod two"], timeout=5)
        assert good.ok, good.failure
        wrong = one(kind, POD[2], two.pods[1], port=8080, send="who?", expect=["pod three"])
        assert not wrong.ok
        assert_failed(wrong, Code.PROBE_WRONG_ANSWER, answer="'pod two'", expected=["'pod three'"])


def test_ipv6(make_netns):
    a, b = make_netns(), make_netns()
    a.run(f"ip link add eth0 type veth peer name eth0 netns {b.name}")
    for netns, address in ((a, "fd00::1/64"), (b, "fd00::2/64")):
        netns.run(f"ip address add {address} dev eth0 nodad")
        netns.run("ip link set eth0 up")
    echo = one("icmp", "fd00::2", a, size=0, attempts=20)  # neighbour discovery takes its time on a fresh link
    assert echo.ok, echo.failure
    assert one("udp", "fd00::2", a, port=9).ok
    refused = one("tcp", "fd00::2", a, port=9)
    assert_failed(refused, Code.PROBE_REFUSED)
    assert refused.failure.subject == "[fd00::2]:9"


def test_each_fault_has_its_code(two):
    """Each fault is made with other tools than ours."""
    source = two.pods[1]
    assert_failed(one("tcp", POD[2], source, port=9), Code.PROBE_REFUSED)
    assert one("udp", POD[2], source, port=9).ok, "port unreachable from the target itself proves the path"
    assert_failed(one("icmp", "10.244.2.9", source, attempts=1), Code.PROBE_NO_ANSWER, timeout=0.3)
    two.nodes[1].run("ip route delete 10.244.2.0/24")
    assert_failed(one("icmp", POD[2], source), Code.PROBE_REPORTED, reporter="10.244.1.1")
    source.run("ip route delete default")
    assert_failed(one("icmp", POD[2], source), Code.PROBE_NO_ROUTE, address=POD[2])


def test_a_loop_and_a_filter_have_their_codes(two):
    two.nodes[2].run("ip route replace 10.244.9.0/24 via 198.18.0.1")
    two.nodes[1].run("ip route add 10.244.9.0/24 via 198.18.0.2")
    assert_failed(one("icmp", "10.244.9.9", two.pods[1], timeout=2), Code.PROBE_EXPIRED)
    two.pods[1].run("nft", "add table ip t; add chain ip t o { type filter hook output priority 0; policy drop; };")
    assert_failed(one("icmp", POD[2], two.pods[1]), Code.PROBE_FILTERED)


def test_no_neighbor_no_path(two):
    result = one("icmp", "10.244.1.77", two.nodes[1], timeout=5, attempts=1)
    assert_failed(result, Code.PROBE_UNREACHABLE)


def test_a_connection_that_is_reset(two):
    with two.pods[2].entered():
        stream = socket.socket()
    with stream:
        stream.bind(("", 8081))
        stream.listen()
        threading.Thread(target=_reset, args=(stream,), daemon=True).start()
        result = one("tcp", POD[2], two.pods[1], port=8081, send="x", expect=["y"], attempts=1, timeout=5)
    assert_failed(result, Code.PROBE_CLOSED)


def _reset(stream):
    peer, _address = stream.accept()
    peer.recv(1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def test_another_error_of_the_kernel_is_passed_on(two):
    two.pods[1].run("ip route add prohibit 10.244.2.2")
    assert_failed(one("icmp", POD[2], two.pods[1]), Code.PROBE_ERROR, error="Permission denied")


def test_a_refusal_by_a_router_is_not_the_target_s(two):
    """A router that answers "port unreachable" in the target's stead proves nothing about the target."""
    two.nodes[2].run(
        "nft",
        "add table ip t; add chain ip t f { type filter hook forward priority 0; };"
        "add rule ip t f ip daddr 10.244.2.2 udp dport 9 reject with icmp type port-unreachable",
    )
    result = one("udp", POD[2], two.pods[1], port=9)
    assert_failed(result, Code.PROBE_REFUSED_BY_ROUTER)
    assert result.failure.parameters["reporter"].startswith(("198.18.0.2", "10.244.2."))


def test_an_mtu_too_large_has_another_code_than_a_broken_path(two):
    """Small packets pass, large ones don't: the underlay carries less than the pods think."""
    for node in two.nodes.values():
        node.run("ip link set under mtu 1400")
        node.run(
            "nft",
            "add table ip t; add chain ip t p { type filter hook prerouting priority -500; };"
            "add rule ip t p ip frag-off & 0x1fff != 0 drop",
        )
    result = one("icmp", POD[2], two.pods[1], size=1450)
    assert not result.ok
    assert_failed(result, Code.PROBE_LARGE_LOST, size=1450, small=84)


def test_a_reported_smaller_mtu_is_followed(two):
    """A pod with a smaller MTU than its node's, as after a change of the back end: the node is told, and no fault."""
    two.nodes[2].run("ip link set pod mtu 1300")
    two.pods[2].run("ip link set eth0 mtu 1300")
    result = one("icmp", POD[2], two.pods[1], size=0)
    assert (result.ok, result.size) == (True, 1300), result.failure
    fixed = one("icmp", POD[2], two.pods[1], size=1450)
    assert_failed(fixed, Code.PROBE_TOO_LARGE, size=1450, mtu=1300)


def test_a_packet_larger_than_the_own_mtu_is_refused_at_once(two):
    result = one("icmp", POD[2], two.pods[1], size=1451)
    assert (result.ok, result.attempts) == (False, 1)
    assert_failed(result, Code.PROBE_TOO_LARGE, size=1451, mtu=1450)


def test_a_namespace_that_is_gone(two):
    result = run([Probe("icmp", POD[2], netns="/run/netns/podnet-test-none")])[0]
    assert_failed(result, Code.PROBE_NETNS_GONE, netns="/run/netns/podnet-test-none")


def test_many_at_a_time_keep_their_order_and_source(two, server):
    server(two.pods[2], 8080, "pod two")
    probes = [Probe("icmp", POD[2], netns=two.pods[1].path, source=str(number)) for number in range(300)]
    probes += [Probe("tcp", POD[2], port=8080, netns=two.nodes[1].path, source="node", send="?", expect=["two"])] * 100
    results = run(probes, limit=32)
    assert [result.source for result in results] == [str(number) for number in range(300)] + ["node"] * 100
    assert all(result.ok for result in results)


def test_capture_sees_the_tunnel_and_nothing_else(two):
    with two.nodes[1].entered():
        counter = VxlanCounter(8472)
    with counter:
        probes = [Probe("icmp", POD[2], netns=two.pods[1].path), Probe("icmp", "198.18.0.2", netns=two.nodes[1].path)]
        assert all(result.ok for result in run(probes, counter=counter))
        counter.read()
        flows = counter.flows()
    seen = {flow.direction: (flow.source, flow.destination, flow.vni) for flow in flows}
    assert seen == {"out": ("198.18.0.1", "198.18.0.2", 1), "in": ("198.18.0.2", "198.18.0.1", 1)}


def test_capture_on_another_port_sees_nothing(two):
    with two.nodes[1].entered():
        counter = VxlanCounter(4789)
    with counter:
        assert one("icmp", POD[2], two.pods[1]).ok
        counter.read()
        assert counter.flows() == []


def noted(netns_path: str, interface: str = "eth0") -> str:
    """A file of libcni's result cache (libcni 1.0, cachedInfo)."""
    return json.dumps({
        "kind": "cniCacheV1",
        "containerId": "4f5c",
        "config": "e30=",
        "ifName": interface,
        "networkName": "podnet",
        "cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "default"], ["K8S_POD_NAME", "web-0"]],
        "result": {
            "cniVersion": "1.0.0",
            "interfaces": [{"name": "cni0"}, {"name": "eth0", "sandbox": netns_path}],
            "ips": [{"address": "10.244.1.2/24", "interface": 1}],
        },
    })  # fmt: skip


def test_attachments_are_those_whose_namespace_lives(tmp_path, netns):
    (tmp_path / "podnet-4f5c-eth0").write_text(noted(netns.path))
    (tmp_path / "podnet-dead-eth0").write_text(noted("/run/netns/podnet-test-none"))
    (tmp_path / "cni-loopback-4f5c-lo").write_text(noted(netns.path, "lo"))
    (tmp_path / "broken").write_text("{")
    (found,) = attachments(str(tmp_path))
    assert (found.name, found.netns, found.addresses) == ("default/web-0", netns.path, ["10.244.1.2"])
    assert attachments(str(tmp_path / "none")) == []


PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - podnet.cluster.probe:
        node: here
        capture: 8472
        probes: {probes}
"""


def play(ansible, tmp_path, node, probes):
    """The probe module, run by Ansible inside a node's namespace; its result and the exit code."""
    path = tmp_path / "play.yml"
    path.write_text(PLAY.format(probes=json.dumps(probes)))
    return ansible(
        "nsenter",
        f"--net={node.path}",
        "ansible-playbook",
        "-e",
        "ansible_python_interpreter=/usr/bin/python3",
        "-i",
        "localhost,",
        "-c",
        "local",
        str(path),
    )


def test_module(ansible, tmp_path, two):
    ok = [{"kind": "icmp", "address": POD[2], "size": 0, "netns": two.pods[1].path, "scope": "pod to pod"}]
    ran = play(ansible, tmp_path, two.nodes[1], ok)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ran = play(ansible, tmp_path, two.nodes[1], [*ok, {"kind": "tcp", "address": POD[2], "port": 9}])
    assert ran.returncode != 0
    assert f"1 of 2 probes failed; tcp from here to {POD[2]}" in ran.stdout + ran.stderr
    ran = play(ansible, tmp_path, two.nodes[1], [{"kind": "icmp", "address": POD[2], "pod": "default/none"}])
    assert (
        "pod 'default/none' has no network namespace on this node; those that have one: none" in ran.stdout + ran.stderr
    )
    assert "Traceback" not in ran.stdout + ran.stderr
