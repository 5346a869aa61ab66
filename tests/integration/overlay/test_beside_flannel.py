# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of podnetd and of flanneld are one network, and a node moves from one to the other while its pods are in use.

There is no flanneld here. Its part is played by ``Flanneld``: on a node it does by ip and bridge what flanneld does, in
flanneld's order, and says so in the node's annotations as flanneld does; it goes by nothing but the others'.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import threading
import time
from ipaddress import ip_network

import pytest
from standin import apiserver, client

FLANNEL = "flannel.alpha.coreos.com/"
NODES = "/api/v1/nodes"
API = "10.77.0.1"
#: Echo requests are 10 ms apart: so many are a second.
SECOND = 100


class Flanneld:
    """flanneld with back end KIND on NODE, for pods of one IP VERSION; it follows the API until it is stopped."""

    def __init__(self, node, admin, kind: str = "vxlan", version: int = 4) -> None:
        self.node, self.admin, self.kind, self.version = node, admin, kind, version
        self.device = "flannel.1" if version == 4 else "flannel-v6.1"
        self.public, self.data = ("public-ip", "backend-data") if version == 4 else ("public-ipv6", "backend-v6-data")
        self.known: dict[str, tuple] = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._follow)

    def start(self) -> Flanneld:
        """The device, the annotations, the peers that there are, then those that come."""
        lease = self.node.lease()
        address = lease["addresses"][self.version == 6]
        subnet = lease["pod_cidrs"][self.version == 6]
        data = "null"
        if self.kind == "vxlan":
            told = self.admin.node(self.node.name)["metadata"].get("annotations", {}).get(FLANNEL + self.data, "")
            mac = json.loads(told)["VtepMAC"] if "VtepMAC" in told else f"0a:00:00:00:00:{self.node.number:02x}"
            first = ip_network(subnet).network_address
            make = f"type vxlan id 1 local {address} dev eth0 dstport 8472 nolearning"
            self._run(
                f"ip link show {self.device} || ip link add {self.device} address {mac} mtu 1450 {make}",
                f"ip address replace {first}/{ip_network(subnet).max_prefixlen} dev {self.device}",
                f"ip link set {self.device} up",
            )
            data = json.dumps({"VNI": 1, "VtepMAC": mac})
        self._run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        told = {"kube-subnet-manager": "true", "backend-type": self.kind, self.data: data, self.public: address}
        annotations = {FLANNEL + key: value for key, value in told.items()}
        self.admin.patch(self.node.name, {"metadata": {"annotations": annotations}})
        self._sync()
        self.thread.start()
        return self

    def stop(self) -> None:
        """What it made stays, as flanneld's does."""
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join()

    def _follow(self) -> None:
        while not self.stopping.wait(0.1):
            self._sync()

    def _sync(self) -> None:
        for other in self.admin.do("GET", NODES)["items"]:
            told = other["metadata"].get("annotations") or {}
            if other["metadata"]["name"] == self.node.name or told.get(FLANNEL + "backend-type") != self.kind:
                continue
            subnet = next(
                ip_network(cidr) for cidr in other["spec"]["podCIDRs"] if (":" in cidr) == (self.version == 6)
            )
            peer = subnet, told.get(FLANNEL + self.public), told.get(FLANNEL + self.data)
            if None not in peer and self.known.get(other["metadata"]["name"]) != peer:
                self.known[other["metadata"]["name"]] = peer
                self._add(*peer)

    def _add(self, subnet, address: str, data: str) -> None:
        if self.kind == "host-gw":
            self._run(f"ip route replace {subnet} via {address} dev eth0")
            return
        mac, first = json.loads(data)["VtepMAC"], subnet.network_address
        self._run(
            f"ip neigh replace {first} lladdr {mac} dev {self.device} nud permanent",
            f"bridge fdb replace {mac} dev {self.device} dst {address} self permanent",
            f"ip route replace {subnet} via {first} dev {self.device} onlink",
        )

    def _run(self, *commands: str) -> None:
        self.node.netns.run("sh", "-ec", "\n".join(commands))


@pytest.fixture
def cluster(make_nodes, tmp_path):
    """A function that makes nodes with an API server on their network, and tells (nodes, administrator, a function
    that starts flanneld on a node)."""
    with contextlib.ExitStack() as stack:

        def make(count: int, cidrs: slice = slice(0, 1), addresses: slice = slice(0, 1), **config):
            nodes, switch = make_nodes(count)
            switch.run(f"ip address add {API}/24 dev switch")
            directory = tmp_path / "api"
            directory.mkdir()
            apiserver.authority(directory, API)
            admin, _process = stack.enter_context(client.serving(directory, API, netns=switch.path))
            for node in nodes:
                lease = node.lease()
                told = [{"type": "InternalIP", "address": each} for each in lease["addresses"][addresses]]
                body = {
                    "metadata": {"name": node.name, "creationTimestamp": f"2027-01-01T00:00:0{node.number}Z"},
                    "spec": {"podCIDRs": lease["pod_cidrs"][cidrs]},
                    "status": {"addresses": told},
                }
                admin.do("POST", NODES, body)
                networks = ["10.244.0.0/16", "fd00:244::/48"][cidrs]
                node.write([], networks=networks, **config)
                apiserver.identity(directory, node.name, f"/O=podnet:nodes/CN=podnet:node:{node.name}")
                kube = apiserver.kubeconfig(directory, node.name, admin.server)
                (node.directory / "kube.json").write_text(json.dumps(kube))
                settings = {"source": "kubernetes", "kubernetes": {"cache": str(node.directory / "nodes.json")}}
                (node.directory / "podnetd.json").write_text(json.dumps(settings))

            def flanneld(node, **how) -> Flanneld:
                made = Flanneld(node, admin, **how)
                stack.callback(made.stop)
                return made.start()

            return nodes, admin, flanneld

        yield make


class Stream:
    """Echo requests from a pod, 10 ms apart, until they are counted."""

    def __init__(self, pod, address: str) -> None:
        words = ["nsenter", f"--net={pod.path}", "--", "ping", "-q", "-i", "0.01", address]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        time.sleep(0.2)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.kill()
        self.process.communicate()

    def lost(self) -> int:
        """How many were not answered, until two seconds from now: a busy machine sends them further apart."""
        time.sleep(2)
        self.process.send_signal(signal.SIGINT)
        told = self.process.communicate(timeout=30)[0]
        sent, received = map(int, re.findall(r"(\d+) (?:packets transmitted|received)", told))
        assert sent > SECOND, told
        return sent - received


def ping(source, address: str) -> bool:
    """Whether one echo request from the namespace SOURCE is answered."""
    return source.run("ping", "-c", "1", "-W", "1", address, check=False).returncode == 0


def all_reach_all(nodes, eventually, version: int = 4) -> None:
    """From each node's pod to each other's."""
    for source in nodes:
        for target in nodes:
            address = f"10.244.{target.number}.2" if version == 4 else f"fd00:244:0:{target.number}::2"
            eventually(f"{source.name} to {target.name}", lambda s=source, a=address: ping(s.pod, a))


@pytest.mark.parametrize("kind", ["vxlan", "host-gw"])
def test_nodes_of_both_reach_each_other(cluster, eventually, kind):
    nodes, _admin, flanneld = cluster(3, backend={"type": kind})
    flanneld(nodes[2], kind=kind)
    for node in nodes[:2]:
        node.start()
    all_reach_all(nodes, eventually)


@pytest.mark.parametrize(("kind", "mtu"), [("vxlan", 1430), ("host-gw", 1500)])
def test_nodes_of_both_reach_each_other_where_there_is_ipv6_alone(cluster, eventually, kind, mtu):
    """flanneld names its device otherwise; on the wire it is the same tunnel."""
    nodes, _admin, flanneld = cluster(2, slice(1, 2), slice(1, 2), backend={"type": kind})
    for node in nodes:
        node.pod.run(f"ip link set eth0 mtu {mtu}")
    flanneld(nodes[1], kind=kind, version=6)
    agent = nodes[0].start()
    eventually("level", lambda: agent.status()["in_sync"])
    assert f"FLANNEL_MTU={mtu}\n" in nodes[0].subnet_env.read_text()
    all_reach_all(nodes, eventually, 6)


def test_a_node_moves_from_flannel_to_us_and_back_within_a_second(cluster, eventually):
    (ours, theirs, moving), admin, flanneld = cluster(3)
    flanneld(theirs)
    theirs_once = flanneld(moving)
    ours.start()
    all_reach_all((ours, theirs, moving), eventually)

    def mac(node, of: str = "link show flannel.1") -> str:
        """The node's MAC address, or the one under which it reaches the moving node."""
        (found,) = node.netns.ip(of)
        return found.get("lladdr") or found["address"]

    def to_us() -> None:
        theirs_once.stop()
        agent = moving.start()
        eventually("level", lambda: agent.status()["in_sync"] and moving.plan() == [])
        assert mac(moving) == json.loads(moving.ctl("status", "--json").stdout)["vtep_mac"] != first

    def back() -> None:
        moving.agents[-1].stop()
        flanneld(moving)

    def back_after_a_reset() -> None:
        admin.patch("node3", {"metadata": {"annotations": {FLANNEL + "backend-data": None}}})
        moving.netns.run("ip link delete flannel.1")
        flanneld(moving)

    first = mac(moving)
    for step in (to_us, back, back_after_a_reset):
        with Stream(ours.pod, "10.244.3.2") as one, Stream(theirs.pod, "10.244.3.2") as other:
            step()
            for node in (ours, theirs):
                eventually("known", lambda node=node: mac(node, "neigh show 10.244.3.0 dev flannel.1") == mac(moving))
            all_reach_all((ours, theirs, moving), eventually)
            lost = [stream.lost() for stream in (one, other)]
        print(step.__name__, lost)
        assert max(lost) <= SECOND, step.__name__
    assert ours.plan() == []
    ours.agents[0].stop()
    assert ours.plan() == [], "podnetctl without podnetd goes by what that knew last"
