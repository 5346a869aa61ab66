# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is no peer sends into the pod network by no tunnel: frames to the overlay's port, made here byte by byte."""

from __future__ import annotations

import contextlib
import socket
import struct
import time

import pytest
from frames import frame, send, udp

OVERLAY_PORT, POD_PORT = 8472, 5000
#: Whom the inner packet says it is from: a pod of the first node.
INNER = "10.244.1.77"
GATEWAY = {4: "10.244.2.1", 6: "fd00:244:0:2::1"}


class Attack:
    """Sends, from a namespace's eth0, what a peer would wrap up for node 2's pod; the pod listens."""

    def __init__(self, nodes) -> None:
        self.victim = nodes[1]
        self.vtep = self.mac(self.victim.netns, "flannel.1")

    @staticmethod
    def mac(netns, dev: str) -> str:
        return netns.ip(f"link show dev {dev}")[0]["address"]

    def arrives(self, attacker, gateway: str, source: str, target: str, pod: str = "10.244.2.2") -> bool:
        """Whether the pod gets the inner packet of one that the ``attacker`` sends to the MAC address ``gateway``."""
        token = str(time.monotonic_ns()).encode()
        inner = frame("02:00:00:00:00:99", self.vtep, udp(INNER, pod, POD_PORT, token))
        outer = udp(source, target, OVERLAY_PORT, struct.pack("!II", 1 << 27, 1 << 8) + inner)
        with contextlib.ExitStack() as stack:
            with self.victim.pod.entered():
                listener = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            listener.bind((pod, POD_PORT))
            listener.settimeout(0.3)
            send(attacker, frame(self.mac(attacker, "eth0"), gateway, outer))
            try:
                while listener.recv(100) != token:
                    pass
            except TimeoutError:
                return False
            return True


def ping(source, address: str) -> bool:
    return source.run(f"ping -c 1 -W 2 {address}", check=False).returncode == 0


@pytest.fixture
def stranger(make_netns):
    """A host on the nodes' network that is none of them."""

    def plug(switch):
        netns = make_netns()
        netns.run(f"ip link add eth0 type veth peer name stranger netns {switch.name}")
        switch.run("ip link set stranger master switch up")
        netns.run("ip link set eth0 up")
        return netns

    return plug


def addresses(version: int, number: int) -> str:
    return f"10.77.0.{number}" if version == 4 else f"fd77::{number}"


@pytest.fixture(params=[4, 6])
def version(request):
    """The IP version of the underlay."""
    return request.param


@pytest.fixture(params=[False, True], ids=["", "masqueraded"])
def cluster(request, make_nodes, version, eventually):
    """Three nodes; with and without masquerade of what pods send to nodes."""
    nodes, switch = make_nodes(3)
    for node in nodes:
        leases = [other.lease(address=addresses(version, 10 + other.number)) for other in nodes]
        node.write(leases, masquerade_nodes=request.param)
        node.ctl("apply")
        assert node.plan() == []
    for pod, address in ((nodes[0].pod, "10.244.2.2"), (nodes[2].pod, "fd00:244:0:2::2")):
        eventually(f"{address} answers", lambda pod=pod, address=address: ping(pod, address))
    return nodes, switch


def attempts(nodes, switch, stranger, version):
    """Who sends what: (words, namespace, MAC address to send to, source, target)."""
    first, second, _third = nodes
    own = "10.244.1.2" if version == 4 else "fd00:244:0:1::2"
    same = "10.244.2.3" if version == 4 else "fd00:244:0:2::3"
    gateway = Attack.mac(first.netns, "cni0")
    bridge = Attack.mac(second.netns, "cni0")
    node, peer = addresses(version, 12), addresses(version, 13)
    outside = stranger(switch)
    nic = Attack.mac(second.netns, "eth0")
    yield "another node's pod", first.pod, gateway, own, node
    yield "another node's pod, as a peer", first.pod, gateway, peer, node
    yield "another node's pod, as its node", first.pod, gateway, addresses(version, 11), node
    yield "the node's own pod", second.pod, bridge, same, node
    yield "the node's own pod, as a peer", second.pod, bridge, peer, node
    yield "the node's own pod, to its gateway", second.pod, bridge, same, GATEWAY[version]
    if version == 4:
        yield "the node's own pod, to all", second.pod, "ff:ff:ff:ff:ff:ff", same, "10.244.2.255"
        yield "the node's own pod, to all there are", second.pod, "ff:ff:ff:ff:ff:ff", same, "255.255.255.255"
    yield "a stranger", outside, nic, addresses(version, 99), node
    yield "a stranger, as a pod", outside, nic, own, node


def test_only_peers_reach_the_tunnel(cluster, stranger, version):
    """None of the attempts succeeds where the guard is, and most of them do where it isn't."""
    nodes, switch = cluster
    attack = Attack(nodes)
    tried = list(attempts(nodes, switch, stranger, version))
    assert [words for words, *what in tried if attack.arrives(*what)] == []
    for node in nodes:
        node.netns.run("nft flush set inet podnet overlay_ports")
    through = {words for words, *what in tried if attack.arrives(*what)}
    # the kernel takes no packet from outside whose source is its own IPv4 address
    assert through == {words for words, *_what in tried if version == 6 or words != "another node's pod, as its node"}
    for node in nodes:
        assert node.plan() == ["change set overlay_ports of table inet podnet: add 1, remove 0"]
        node.ctl("apply")
    assert [words for words, *what in tried if attack.arrives(*what)] == []
    assert ping(nodes[0].pod, "10.244.2.2") and ping(nodes[2].pod, "fd00:244:0:2::2")


def elements(node, name: str) -> list:
    (told,) = [item["set"] for item in node.netns.nft(f"list set inet podnet {name}") if "set" in item]
    return told.get("elem", [])


def test_who_comes_and_goes_is_a_peer_as_long(make_nodes, eventually):
    """The agent follows: a new node's packets pass, a removed one's don't any more."""
    nodes, _switch = make_nodes(3)
    leases = [node.lease() for node in nodes]
    for node in nodes[:2]:
        node.write(leases[:2])
        node.start()
    nodes[2].write(leases)
    nodes[2].ctl("apply")
    attack = Attack(nodes)
    third = nodes[2].netns, Attack.mac(nodes[1].netns, "eth0"), "10.77.0.13", "10.77.0.12"
    assert not attack.arrives(*third)
    for here, what in ((leases, ["10.77.0.11", "10.77.0.13"]), (leases[:2], ["10.77.0.11"])):
        for node in nodes[:2]:
            node.write(here)
        eventually(f"peers are {what}", lambda what=what: sorted(elements(nodes[1], "peers4")) == what)
        assert attack.arrives(*third) == (len(what) == 2)


@pytest.mark.parametrize("backend", ["host-gw", "wireguard"])
def test_other_back_ends_open_and_close_nothing(make_nodes, backend, needs):
    """They have no port that believes everybody; what opened that of vxlan is gone with it."""
    if backend == "wireguard":
        needs("wireguard")
    (node, _peer), _switch = make_nodes(2)
    node.ctl("apply")
    assert elements(node, "overlay_ports") == [OVERLAY_PORT] and elements(node, "vteps4") == ["10.77.0.11"]
    key = {"public_key": "A" * 42 + "E="} if backend == "wireguard" else {}
    own, other = node.lease(), {"name": "node2"}
    node.write(
        [own, {**other, "address": "10.77.0.12", "pod_cidrs": ["10.244.2.0/24"], **key}],
        backend={"type": backend, "private_key_file": str(node.directory / "key")},
    )
    node.ctl("apply")
    for name in ("overlay_ports", "vteps4", "vteps6"):
        assert elements(node, name) == []
    assert node.plan() == []
