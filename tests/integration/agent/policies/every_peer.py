# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetd beside kube-router's policy controller: two nodes of one API server and one kernel, each with a pod of its
own that a new policy isolates; and ADD with policies beside ADD without.

`make peers` prints the figures: too long for `make test`. While one side is measured the other is stopped, and they
take turns. From a creation (the API server has answered) to its enforcement: new flows start every millisecond or two,
and the last one that arrives says when.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import install

from ...conftest import until
from .conftest import Pod, PolicyNode
from .race import PORT, Ear

ROOT = Path(__file__).resolve().parents[4]
MODULE = "github.com/cloudnativelabs/kube-router/v2"
#: Pods elsewhere and policies that there are anyway; pods of each node that some of the policies select.
PODS, POLICIES, OWN = 300, 60, 10
#: Turns of each side, and policies of a turn of which the first is not counted.
TURNS, CREATIONS = 6, 21
#: Seconds without a flow that arrives, after which the policy is in force.
QUIET = 0.5
AIM_LATENCY, AIM_ADD, PAIRS = 0.2, 1.1, 150
pytestmark = pytest.mark.timeout(3600)


class Knocks(threading.Thread):
    """Flows from one pod to another, each by a socket of its own, until they are stopped."""

    def __init__(self, source: Pod, target: Pod) -> None:
        super().__init__(daemon=True)
        self.netns, self.target = source.netns, (target.addresses[0], PORT)
        self.ear = Ear(target.netns)
        self.sent: list[float] = []
        self._stopped = threading.Event()

    def run(self) -> None:
        with self.netns.entered():
            while not self._stopped.wait(0.001):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                    self.sent.append(time.monotonic())
                    one.sendto(str(len(self.sent) - 1).encode(), self.target)

    def flowing(self, since: int) -> bool:
        return any(str(number).encode() in self.ear.heard for number in range(since, len(self.sent)))

    def last(self) -> float:
        """When the last flow that arrived was sent, once none has arrived for a while."""
        heard, quiet_since = -1, time.monotonic()
        while time.monotonic() - quiet_since < QUIET:
            time.sleep(0.02)
            if len(self.ear.heard) != heard:
                heard, quiet_since = len(self.ear.heard), time.monotonic()
        return max(self.sent[int(text)] for text in list(self.ear.heard))

    def stop(self) -> None:
        self._stopped.set()
        self.join()
        self.ear.close()


class Side:
    """A node whose policies the process enforces; its pod "target" hears its pod "source"."""

    def __init__(self, node: PolicyNode, process: subprocess.Popen) -> None:
        self.node, self.process = node, process
        self.knocks = Knocks(
            *(node.run_pod("shop", f"{name}-{node.node.name}", app=f"{name}-{node.node.name}") for name in ENDS)
        )
        self.seconds: list[float] = []

    def turn(self) -> None:
        """Policies that isolate the target, one after the other."""
        cluster, name = self.node.cluster, f"target-{self.node.node.name}"
        for number in range(CREATIONS):
            cluster.policy("shop", "cut", podSelector={"matchLabels": {"app": name}})
            created = time.monotonic()
            enforced = self.knocks.last()
            cluster.remove_policy("shop", "cut")
            until("flows", partial(self.knocks.flowing, len(self.knocks.sent)), 120)
            if number:
                self.seconds.append(max(0.001, enforced - created))

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.seconds, n=100)[percent - 1]


ENDS = ("source", "target")


@pytest.fixture
def nodes(make_nodes, make_netns, api, executables, cluster):
    """node1, and node2 without podnetd."""
    plain, _switch = make_nodes(2, bridge="cni0")
    made = [PolicyNode(each, api, executables, cluster, make_netns) for each in plain]
    yield made
    for each in made:
        each.close()


@pytest.fixture
def crowd(cluster):
    """Namespaces with pods of another node, and policies that let some of them reach others."""
    for number in range(PODS):
        namespace = f"crowd{number % 10}"
        cluster.pod(namespace, f"p{number}", "node9", app=f"app{number % 7}")
        address = f"10.244.{100 + number // 250}.{number % 250 + 2}"
        cluster.status(namespace, f"p{number}", address, hostIP="10.77.0.99")
    for number in range(POLICIES):
        peer = {"podSelector": {"matchLabels": {"app": f"app{(number + 1) % 7}"}}}
        selector = {"matchLabels": {"app": f"app{number % 7}"}}
        namespace = "shop" if number % 5 == 0 else f"crowd{number % 10}"
        ports = [{"port": 80}, {"port": 8080}]
        cluster.policy(namespace, f"policy{number}", podSelector=selector, ingress=[{"from": [peer], "ports": ports}])


@pytest.fixture
def kube_router(api, nodes):
    """A function that starts kube-router's policy controller on node2."""
    sys.path.insert(0, str(ROOT / "tests/standard_plugins"))
    program = importlib.import_module("standard_plugins").build(ROOT / "tests/kube_router", MODULE) / "kube-router"
    node = nodes[1].node
    path = f"/api/v1/nodes/{node.name}"
    api.admin.do("POST", "/api/v1/nodes", {"metadata": {"name": node.name}, "spec": {"podCIDR": "10.244.2.0/24"}})
    address = {"type": "InternalIP", "address": node.lease()["address"]}
    api.admin.do("PATCH", f"{path}/status", {"status": {"addresses": [address]}}, "application/merge-patch+json")
    words = [
        *("nsenter", f"--net={node.netns.path}", "--", program, f"--kubeconfig={api.kubeconfig}"),
        *("--run-firewall=true", "--run-router=false", "--run-service-proxy=false", "--health-port=0"),
        *(f"--hostname-override={node.name}", "--service-cluster-ip-range=10.96.0.0/16"),
    ]
    with open(node.directory / "kube-router.log", "w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    yield process
    print((node.directory / "kube-router.log").read_text()[-4000:])
    process.kill()
    process.wait()
    api.admin.do("DELETE", path)


def test_a_policy_is_enforced_sooner_than_by_kube_router(nodes, crowd, kube_router):
    ours = Side(nodes[0], nodes[0].start().process)
    peer = Side(nodes[1], kube_router)
    for node in nodes:
        for number in range(OWN):
            node.run_pod("shop", f"own{number}-{node.node.name}", app=f"app{number % 7}")
    sides = {"podnetd": ours, "kube-router": peer}
    for side in sides.values():
        side.knocks.start()
    try:
        for _turn in range(TURNS):
            for side, other in ((ours, peer), (peer, ours)):
                other.process.send_signal(signal.SIGSTOP)
                side.turn()
                other.process.send_signal(signal.SIGCONT)
    finally:
        for side in sides.values():
            side.process.send_signal(signal.SIGCONT)
            side.knocks.stop()
    for name, side in sides.items():
        figures = [f"{statistics.median(side.seconds) * 1e3:.0f} ms", f"p99 {side.percentile(99) * 1e3:.0f} ms"]
        print(f"{name:12} from a policy's creation to its enforcement ({len(side.seconds)}): {', '.join(figures)}")
    ratio = ours.percentile(99) / peer.percentile(99)
    print(f"p99, podnetd's / kube-router's: {ratio:.2f} (aim {AIM_LATENCY})")
    assert ratio <= AIM_LATENCY


def test_add_with_policies_costs_little_more_than_without(nodes, tmp_path):
    """By the service of the CNI executables; pods with a policy in both directions and pods without a gate take
    turns."""
    sys.path.insert(0, str(ROOT / "bench"))
    cni = importlib.import_module("cni")
    node = nodes[0]
    socket_path = tmp_path / "cni.sock"
    root = tmp_path / "plugins"
    install.install(install.read_tree(os.path.dirname(install.__file__)), str(root), socket=str(socket_path))
    node.executables = root / "current/bin"
    node.start()
    node.cluster.policy(
        "shop", "lock", podSelector={"matchLabels": {"app": "locked"}}, policyTypes=["Ingress", "Egress"]
    )
    until("the policies", lambda: node.status()["objects"]["networkpolicies"] == 1, 30)
    costs: dict[bool, list] = {True: [], False: []}
    with node.node.netns.entered():
        service = cni.Service(str(node.executables), socket_path)
    try:
        netns, namespace = node.make_netns(), node.cluster.namespace("shop")
        for number in range(2 * PAIRS + 10):
            gated = bool((number + number // 2) % 2)
            uid = node.cluster.pod("shop", f"pod{number}", app="locked")
            time.sleep(0.1)  # the kubelet's pod is known to podnetd long before its ADD
            conf = node.conf() if gated else {**node.conf(), "policyGate": "/nonexistent"}
            args = f"K8S_POD_NAMESPACE={namespace};K8S_POD_NAME=pod{number};K8S_POD_UID={uid}"
            environment = {
                "CNI_COMMAND": "ADD", "CNI_CONTAINERID": f"c{number}", "CNI_NETNS": netns.path, "CNI_IFNAME": "eth0",
                "CNI_PATH": str(node.executables), "CNI_ARGS": f"IgnoreUnknown=1;{args}", "PATH": os.environ["PATH"],
            }  # fmt: skip
            command, before = [str(node.executables / "bridge")], service.cpu()
            with node.node.netns.entered():
                cost, printed = cni.execute(command, environment, json.dumps(conf).encode())
                cost.cpu += service.cpu() - before
                deleting = {**conf, "prevResult": json.loads(printed)}
                cni.execute(command, {**environment, "CNI_COMMAND": "DEL"}, json.dumps(deleting).encode())
            node.cluster.remove_pod("shop", f"pod{number}")
            if number >= 10:
                costs[gated].append(cost)
    finally:
        service.end()
    ratios = {}
    for key in ("wall", "cpu"):
        pairs = [(getattr(one, key), getattr(other, key)) for one, other in zip(costs[True], costs[False])]
        ratios[key] = statistics.median(one / other for one, other in pairs)
        middle = [statistics.median(each) * 1e3 for each in zip(*pairs)]
        best = [statistics.quantiles(each, n=10)[0] * 1e3 for each in zip(*pairs)]
        print(
            f"ADD with policies, {key}: {middle[0]:.1f} ms, without {middle[1]:.1f} ms: {ratios[key]:.2f} "
            f"(the fastest tenth: {best[0]:.1f} ms, {best[1]:.1f} ms: {best[0] / best[1]:.2f})"
        )
    assert ratios["wall"] <= AIM_ADD
