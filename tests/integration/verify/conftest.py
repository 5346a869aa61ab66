# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in network namespaces: nodes on one switch, pods made by the CNI plugins, the overlay by podnetctl.

What is broken is broken by ip, bridge, nft, iptables, tc and the like; the verdicts come from podnetctl as a user runs
it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import install
from ansible_collections.podnet.cluster.plugins.module_utils.verify import follow, way

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
        self.address = ""
        self.host = ""  # the node's end of its veth pair

    def run(self, command: str, **options):
        return self.netns.run(command, **options)


class Node:
    """A namespace as a node, with the files that a node has below ``root``."""

    def __init__(self, number: int, netns, root: Path, library: Path) -> None:
        self.number = number
        self.name = f"node{number}"
        self.netns = netns
        self.root = root
        self.address = f"10.77.0.{10 + number}"
        self.cidr = f"10.244.{number}.0/24"
        self.pods: list[Pod] = []
        for path in ("etc/podnet", "etc/cni/net.d", "etc/containerd", "run/flannel", "opt"):
            (root / path).mkdir(parents=True)
        shutil.copytree(library / "opt/podnet", root / "opt/podnet", symlinks=True)
        (root / "etc/containerd/config.toml").write_text(
            'version = 2\n[plugins."io.containerd.grpc.v1.cri".cni]\n'
            '  bin_dir = "/opt/podnet/current/bin"\n  conf_dir = "/etc/cni/net.d"\n'
        )

    @property
    def conflist(self) -> Path:
        return self.root / "etc/cni/net.d/10-podnet.conflist"

    def run(self, command: str, **options):
        return self.netns.run(command, **options)

    def configure(self, leases: list[dict], **config) -> None:
        wanted = {"node_name": self.name, "networks": ["10.244.0.0/16"], "bridge": "cni0", **config}
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

    def has(self, address: str) -> bool:
        return address == self.address or address.startswith(f"10.244.{self.number}.")

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start podnetctl on the node."""
        files = ("--config", f"{self.root}/etc/podnet", "--subnet-env", f"{self.root}/run/flannel/subnet.env")
        command = f"{self.root}/opt/podnet/current/bin/podnetctl"
        words = ["nsenter", f"--net={self.netns.path}", "--", command, *files, *arguments]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    def trace(self, source, target, *arguments: str, status: int | None = None) -> dict:
        """What podnetctl trace tells, as JSON."""
        names = [getattr(end, "name", end) for end in (source, target)]
        told = self.ctl("trace", *names, "--root", str(self.root), "--json", *arguments, status=status)
        if not told.stdout:
            pytest.fail(told.stderr, pytrace=False)
        return json.loads(told.stdout)

    def inspect(self, *addresses: str) -> dict:
        return json.loads(self.ctl("inspect", *addresses, "--root", str(self.root)).stdout)

    def cni(self, verb: str, pod: Pod, **options) -> subprocess.CompletedProcess:
        environment = {
            "PATH": os.environ["PATH"],
            "NETCONFPATH": f"{self.root}/etc/cni/net.d",
            "CNI_PATH": f"{self.root}/opt/podnet/current/bin",
            "CNI_CONTAINERID": pod.container,
            "CNI_ARGS": f"K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod.name.partition('/')[2]};IgnoreUnknown=1",
        }
        tool = f"{self.root}/opt/podnet/current/bin/podnet-cni"
        words = [tool, "--cache", f"{self.root}/var/lib/cni", verb, "podnet", pod.netns.path]
        return self.netns.run(*words, env=environment, **options)

    def add_pod(self, name: str, netns) -> Pod:
        pod = Pod(name, netns, self)
        result = json.loads(self.cni("add", pod).stdout)
        pod.address = result["ips"][0]["address"].partition("/")[0]
        pod.host = next(one["name"] for one in result["interfaces"] if one["name"].startswith("veth"))
        self.pods.append(pod)
        return pod


class Cluster:
    """Nodes on one switch."""

    def __init__(self, nodes: list[Node], switch) -> None:
        self.nodes = nodes
        self.switch = switch

    def traced(self, source, target) -> dict:
        """The way between two ends, with the state of their nodes and what each saw of the packets meanwhile."""
        return self._judged(source, target, "--mark", follow.new_mark(), "--delay", "0.4")

    def looked_at(self, source, target) -> dict:
        """The same by their nodes' states alone: nothing is sent."""
        return self._judged(source, target)

    def failures(self) -> list[dict]:
        """The checks of all nodes that fail."""
        asked = [node.start("inspect", "--root", str(node.root)) for node in self.nodes]
        checks = [check for one in asked for check in json.loads(one.communicate(timeout=60)[0])["checks"]]
        assert len(checks) > 10 * len(self.nodes)
        return [check for check in checks if not check["ok"]]

    def _judged(self, source, target, *options: str) -> dict:
        ends = [getattr(end, "address", end) for end in (source, target)]
        nodes = [node for node in self.nodes if any(node.has(end) for end in ends)]
        asked = [node.start("inspect", *ends, "--root", str(node.root), *options) for node in nodes]
        states = [json.loads(one.communicate(timeout=60)[0]) for one in asked]
        failures = [check for state in states for check in state["checks"] if not check["ok"]]
        told = follow.judge(*(way.resolve(end, states) for end in ends), states)
        return {**told, "failures": failures}


@pytest.fixture(scope="session")
def library(root, tmp_path_factory) -> Path:
    """The library and its executables, installed once."""
    directory = tmp_path_factory.mktemp("library")
    files = install.read_tree(str(root / "plugins/module_utils"))
    install.install(files, str(directory / "opt/podnet"))
    return directory


@pytest.fixture(scope="module")
def cluster(netns_type, library, tmp_path_factory):
    """Three nodes with two pods each, for all tests of a file: each leaves it as it was."""
    names: list[str] = []

    def netns(name: str):
        names.append(f"podnet-verify-{os.getpid()}-{name}")
        subprocess.run(["ip", "netns", "add", names[-1]], check=True)
        made = netns_type(names[-1])
        made.run("ip link set lo up")
        return made

    base = tmp_path_factory.mktemp("nodes")
    try:
        switch = netns("switch")
        switch.run("ip link add switch type bridge")
        switch.run("ip link set switch up")
        nodes = []
        for number in (1, 2, 3):
            node = Node(number, netns(f"node{number}"), base / f"node{number}", library)
            node.run(f"ip link add eth0 type veth peer name port{number} netns {switch.name}")
            switch.run(f"ip link set port{number} master switch up")
            node.run("ip link set eth0 up")
            node.run(f"ip address add {node.address}/24 dev eth0")
            nodes.append(node)
        leases = [{"name": n.name, "address": n.address, "pod_cidrs": [n.cidr]} for n in nodes]
        for node in nodes:
            node.configure(leases)
            node.ctl("apply")
            for name in ("a", "b"):
                node.add_pod(f"{name}{node.number}", netns(f"{name}{node.number}"))
        yield Cluster(nodes, switch)
    finally:
        for name in reversed(names):
            subprocess.run(["ip", "netns", "delete", name], check=False)
