# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in network namespaces: nodes on one switch, pods made by the CNI plugins, the overlay by podnetctl.

What is broken is broken by ip, bridge, nft, iptables, tc and the like; the verdicts come from podnetctl as a user runs
it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import install
from ansible_collections.podnet.cluster.plugins.module_utils.cli import render_trace
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks import node as node_checks
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.check import Check
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import Endpoint
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.request import TraceRequest, new_mark
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import NodeState
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import node as node_state
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe import session
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace import run, verdict
from standin.cri import Cri

CONFLIST = {
    "cniVersion": "1.0.0",
    "name": "podnet",
    "plugins": [{"type": "flannel", "delegate": {"bridge": "cni0", "hairpinMode": True, "isDefaultGateway": True}}],
}


class Pod:
    """A pod: its name, network namespace and address."""

    def __init__(self, name: str, netns, node: Node) -> None:
        self.name = f"default/{name}"
        self.netns = netns
        self.node = node
        self.container = f"{node.name}-{name}"
        self.addresses: list[str] = []
        self.host = ""  # the node's end of its veth pair
        self.ports: list[dict] = []  # those of the node that it publishes

    @property
    def address(self) -> str:
        return self.addresses[0]

    def run(self, command: str, **options):
        return self.netns.run(command, **options)


class Node:
    """A namespace as a node, with the files that a node has below ``root``."""

    def __init__(self, number: int, netns, root: Path, library: Path, versions: tuple[int, ...] = (4,)) -> None:
        self.number = number
        self.name = f"node{number}"
        self.netns = netns
        self.root = root
        known = {4: f"10.77.0.{10 + number}/24", 6: f"fd00:77::{10 + number}/64"}
        self.prefixes = [known[version] for version in versions]
        self.addresses = [prefix.partition("/")[0] for prefix in self.prefixes]
        self.address = self.addresses[0]
        blocks = {4: f"10.244.{number}.0/24", 6: f"fd00:244:0:{number}::/64"}
        self.cidrs = [blocks[version] for version in versions]
        self.pods: list[Pod] = []
        for path in ("etc/podnet", "etc/cni/net.d", "run/flannel", "opt"):
            (root / path).mkdir(parents=True)
        shutil.copytree(library / "opt/podnet", root / "opt/podnet", symlinks=True)
        self.containerd = Cri(root / "run/containerd/containerd.sock", self.conflist)

    @property
    def conflist(self) -> Path:
        return self.root / "etc/cni/net.d/10-podnet.conflist"

    def run(self, command: str, **options):
        return self.netns.run(command, **options)

    @property
    def cidr(self) -> str:
        return self.cidrs[0]

    def configure(self, leases: list[dict], **config) -> None:
        blocks = {4: "10.244.0.0/16", 6: "fd00:244::/48"}
        networks = [blocks[6 if ":" in cidr else 4] for cidr in self.cidrs]
        wanted = {"node_name": self.name, "networks": networks, "bridge": "cni0", **config}
        (self.root / "etc/podnet/overlay.json").write_text(json.dumps(wanted))
        (self.root / "etc/podnet/leases.json").write_text(json.dumps({"leases": leases}))
        content = json.loads(json.dumps(CONFLIST))
        content["plugins"][0] |= {
            "subnetFile": f"{self.root}/run/flannel/subnet.env",
            "dataDir": f"{self.root}/var/lib/cni/flannel",
        }
        content["plugins"][0]["ipam"] = {"dataDir": f"{self.root}/var/lib/cni/networks"}
        self.conflist.write_text(json.dumps(content))

    def ctl(self, *arguments: str, status: int | None = 0) -> subprocess.CompletedProcess:
        """Run podnetctl on the node; it must end with exit STATUS (None: any)."""
        files = ("--config", f"{self.root}/etc/podnet", "--subnet-env", f"{self.root}/run/flannel/subnet.env")
        command = f"{self.root}/opt/podnet/current/bin/podnetctl"
        result = self.netns.run(command, *files, *arguments, check=False)
        if status is not None and result.returncode != status:
            pytest.fail(f"podnetctl {arguments}: exit {result.returncode}\n{result.stdout}{result.stderr}", False)
        return result

    @property
    def places(self) -> node_state.Places:
        return node_state.Places(str(self.root))

    def trace(self, source, target, *arguments: str, status: int | None = None) -> dict:
        """What podnetctl trace tells, as JSON."""
        names = [getattr(end, "name", end) for end in (source, target)]
        told = self.ctl("trace", *names, "--root", str(self.root), "--json", *arguments, status=status)
        if not told.stdout:
            pytest.fail(told.stderr, pytrace=False)
        return json.loads(told.stdout)

    def watches(self) -> None:
        """Wait until somebody in its namespace captures packets, however busy the machine is."""
        for _attempt in range(1000):
            if len(self.run("cat /proc/net/packet").stdout.splitlines()) > 1:
                return
            time.sleep(0.01)
        pytest.fail(f"{self.name} does not watch", pytrace=False)

    def inspect(self, *addresses: str) -> dict:
        return json.loads(self.ctl("inspect", *addresses, "--root", str(self.root)).stdout)

    def cni(self, verb: str, pod: Pod, **options) -> subprocess.CompletedProcess:
        environment = {
            "PATH": os.environ["PATH"],
            "NETCONFPATH": f"{self.root}/etc/cni/net.d",
            "CNI_PATH": f"{self.root}/opt/podnet/current/bin",
            "CNI_CONTAINERID": pod.container,
            "CAP_ARGS": json.dumps({"portMappings": pod.ports} if pod.ports else {}),
            "CNI_ARGS": "K8S_POD_NAMESPACE={};K8S_POD_NAME={};IgnoreUnknown=1".format(*pod.name.split("/")),
        }
        tool = f"{self.root}/opt/podnet/current/bin/podnet-cni"
        words = [tool, "--cache", f"{self.root}/var/lib/cni", verb, "podnet"]
        words += [pod.netns.path] if verb != "restore" else []
        return self.netns.run(*words, env=environment, **options)

    def add_pod(self, name: str, netns) -> Pod:
        pod = Pod(name, netns, self)
        result = json.loads(self.cni("add", pod).stdout)
        pod.addresses = [one["address"].partition("/")[0] for one in result["ips"]]
        pod.host = next(one["name"] for one in result["interfaces"] if one["name"].startswith("veth"))
        self.pods.append(pod)
        return pod


class Inside:
    """A function called in a namespace, in a process of its own: what podnetctl does, without its start."""

    def __init__(self, netns, function: Callable, *arguments) -> None:
        reading, writing = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            try:
                with netns.entered():
                    told = pickle.dumps((function(*arguments), None))
            except BaseException as error:
                told = pickle.dumps((None, repr(error)))
            with open(writing, "wb") as file:
                file.write(told)
            os._exit(0)
        os.close(writing)
        self._reading = reading

    def result(self):
        """What the function returned; fails with what it raised."""
        with open(self._reading, "rb") as file:
            found, error = pickle.loads(file.read())
        os.waitpid(self._pid, 0)
        if error:
            pytest.fail(error, pytrace=False)
        return found


class Cluster:
    """Nodes on one switch, and Services that a test may make."""

    def __init__(self, nodes: list[Node], switch) -> None:
        self.nodes = nodes
        self.switch = switch
        self.services: list[Endpoint] = []

    def end(self, what) -> Endpoint:
        """An endpoint as the API knows it: a pod, its short name, a node's name, an address, a Service's."""
        for node in self.nodes:
            if what in (node.name, node.address):
                return Endpoint("node", node.name, node.address, node.name)
            for pod in node.pods:
                if what in (pod, pod.name.partition("/")[2], *pod.addresses):
                    address = what if what in pod.addresses else pod.address
                    return Endpoint("pod", pod.name, address, node.name)
        known = next((one for one in self.services if what in (one.name, one.address)), None)
        return known or Endpoint("outside", what, what)

    def traced(self, source, target, port: int = 9, patience: float = 1.6) -> dict:
        """The trace between two ends, with the state of their nodes and what each saw of the packets meanwhile: who
        watches leaves the sender PATIENCE seconds to begin, and ends when it has seen all."""
        return self._judged(source, target, new_mark(), port, patience)

    def looked_at(self, source, target, port: int = 9) -> dict:
        """The same by their nodes' states alone: nothing is sent."""
        return self._judged(source, target, port=port)

    def asked(self, place: tuple[str, str], *ends, packets: bool) -> dict:
        """The trace between the ends, once more where a busy machine had it name another hop (node, step)."""
        found: dict = {}
        for _time in range(2):
            found = self.traced(*ends) if packets else self.looked_at(*ends)
            if found["verdict"] and (found["verdict"]["node"], found["verdict"]["step"]) == place:
                break
        return found

    def failures(self) -> list[Check]:
        """The checks of all nodes that fail."""
        asked = [Inside(node.netns, node_state.collect, node.places) for node in self.nodes]
        return [check for one in asked for check in _failing(one.result())]

    def states(self, source, target, packets: bool = False) -> list[NodeState]:
        """The states of the nodes between two ends, with what each saw of packets if some are sent."""
        source, target = self.end(source), self.end(target)
        return self._states(source, target, new_mark() if packets else "", patience=1.6 if packets else 0)

    def _judged(self, source, target, mark: str = "", port: int = 9, patience: float = 0) -> dict:
        source, target = self.end(source), self.end(target)
        states = self._states(source, target, mark, port, patience)
        told = render_trace.as_json(verdict.judge(source, target, states))
        return {**told, "failures": [check for one in states for check in _failing(one)]}

    def _states(self, source, target, mark: str, port: int = 9, patience: float = 0) -> list[NodeState]:
        behind = {self.end(address).node for address in target.backends}
        nodes = [node for node in self.nodes if node.name in {source.node, target.node, *behind}]
        nodes.sort(key=lambda node: node.name == source.node)  # who watches begins first
        path, asked = TraceRequest(source, target, mark, port), []
        for node in nodes:
            sends = node.name == source.node
            asked.append(Inside(node.netns, _looked, path, node.places, 0 if sends else patience))
            if mark and not sends:
                node.watches()
        return [one.result() for one in asked]


def _looked(path: TraceRequest, places: node_state.Places, delay: float) -> NodeState:
    (found,) = run.look([path], places, delay)
    return found


def _failing(state: NodeState) -> list[Check]:
    checks = node_checks.checks(state)
    assert len(checks) > 10
    return [check for check in checks if not check.ok]


@pytest.fixture(scope="session")
def library(root, tmp_path_factory) -> Path:
    """The library and its executables, installed once."""
    directory = tmp_path_factory.mktemp("library")
    files = install.read_tree(str(root / "plugins/module_utils"))
    install.install(files, str(directory / "opt/podnet"))
    return directory


@contextlib.contextmanager
def made(netns_type, library: Path, base: Path, versions: tuple[int, ...] = (4,), **config):
    """Three nodes on one switch with two pods each, whose pod network is configured so."""
    names: list[str] = []

    def netns(name: str):
        names.append(f"podnet-verify-{os.getpid()}-{name}")
        subprocess.run(["ip", "netns", "add", names[-1]], check=True)
        made = netns_type(names[-1])
        made.run("ip link set lo up")
        # an address that is given must be there at once
        made.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")
        return made

    try:
        switch = netns("switch")
        switch.run("ip link add switch type bridge")
        switch.run("ip link set switch up")
        nodes = []
        for number in (1, 2, 3):
            node = Node(number, netns(f"node{number}"), base / f"node{number}", library, versions)
            node.run(f"ip link add eth0 type veth peer name port{number} netns {switch.name}")
            switch.run(f"ip link set port{number} master switch up")
            node.run("ip link set eth0 up")
            for prefix in node.prefixes:
                node.run(f"ip address add {prefix} dev eth0")
            nodes.append(node)
        leases = [{"name": n.name, "address": n.address, "addresses": n.addresses, "pod_cidrs": n.cidrs} for n in nodes]
        for node in nodes:
            node.configure(leases, **config)
            node.ctl("apply")
            for name in ("a", "b"):
                node.add_pod(f"{name}{node.number}", netns(f"{name}{node.number}"))
        yield Cluster(nodes, switch)
    finally:
        for name in reversed(names):
            subprocess.run(["ip", "netns", "delete", name], check=False)


@pytest.fixture
def impatient(monkeypatch):
    """What is lost here is lost at once: no need to wait for it as long as a real network asks for."""
    for name, value in (("ATTEMPTS", 1), ("PATIENCE", 0.4), ("WATCH", 1.0)):
        monkeypatch.setattr(session, name, value)


@pytest.fixture(scope="module")
def cluster(netns_type, library, tmp_path_factory):
    """Such a cluster with the usual pod network, for all tests of a file: each leaves it as it was."""
    with made(netns_type, library, tmp_path_factory.mktemp("nodes")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster_of(netns_type, library, tmp_path_factory, request):
    """Such a cluster as the test's parameter says: IP versions of the pods, and the configuration."""
    versions, config = request.param
    with made(netns_type, library, tmp_path_factory.mktemp("nodes"), versions, **config) as cluster:
        yield cluster
