# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of tests/faults/policies.yml between network namespaces: nodes with a podnetd each, which enforces the
policies of a real API server that kubectl changes. In a lab tests/cluster/every_policy_fault.py has them."""

from __future__ import annotations

import json
import os
import subprocess
import time

import faults
import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent import client
from ansible_collections.podnet.cluster.plugins.module_utils.cli.render_checks import check_as_json
from ansible_collections.podnet.cluster.plugins.module_utils.kube import rbac
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import Endpoint
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import node as node_state
from standin import apiserver, forward
from standin import cluster as real

from ..conftest import Inside, Pod, _failing

NAMESPACE, PORT = "policies", 8080
FRIENDS = {
    "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
    "metadata": {"name": "friends", "namespace": NAMESPACE},
    "spec": {
        "podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "friend"}}}], "ports": [{"port": PORT}]}],
    },
}  # fmt: skip


#: A Service of port 80 for the server's 8080, as kube-proxy has it.
SERVICE = "10.96.0.60"
SERVED = """*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-S - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j KUBE-SERVICES
-A KUBE-SERVICES -d {service} -p tcp -m tcp --dport 80 -j KUBE-SVC-S
-A KUBE-SVC-S -p tcp -j DNAT --to-destination {server}:{port}
COMMIT
"""


class World:
    """node1 and node2 of the cluster; a server on node2, a friend and a stranger on each."""

    def __init__(self, cluster, api, directory, make_netns) -> None:
        self.cluster, self.api, self.directory, self.make_netns = cluster, api, directory, make_netns
        self.nodes = {node.name: node for node in cluster.nodes[:2]}
        self.agents: dict[str, subprocess.Popen] = {}
        self.forwards = [self._connect(node) for node in self.nodes.values()]
        api.admin.do("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        account = {"metadata": {"name": "default"}, "automountServiceAccountToken": False}
        api.admin.do("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", account)
        self.server = self._pod("node2", "server")
        for name in self.nodes:
            for role in ("friend", "stranger"):
                self._pod(name, f"{role}-{name}", role=role)
        (directory / "friends.yml").write_text(json.dumps(FRIENDS))
        self.kubectl(f"kubectl apply -f {directory}/friends.yml")
        self.known = {
            "A2": self.server.address, "H2": self.server.host, "C1": cluster.nodes[0].cidr, **{n: n for n in self.nodes}
        }  # fmt: skip

    def _connect(self, node) -> forward.Forward:
        """Gives a node its podnetd's credentials and settings. (podnetctl's --root goes before the directory, too.)"""
        root, etc = str(node.root), node.root / "etc/podnet"
        apiserver.identity(self.api.directory, node.name, f"/O=podnet:nodes/CN=podnet:node:{node.name}")
        server = f"https://127.0.0.1:{self.api.port}"
        (etc / "kube.json").write_text(json.dumps(apiserver.kubeconfig(self.api.directory, node.name, server)))
        (etc / "podnetd.json").write_text(json.dumps({"policy": {"directory": f"{root}/var/lib/podnet/policy"}}))
        os.makedirs(os.path.dirname(root + root))
        os.symlink(root, root + root)
        return forward.Forward(node.netns, self.api.port)

    def _pod(self, where: str, name: str, **labels: str) -> Pod:
        node = self.nodes[where]
        body = {"metadata": {"name": name, "labels": {"app": name, **labels}},
                "spec": {"nodeName": where, "containers": [{"name": "c", "image": "none"}]}}  # fmt: skip
        path = f"/api/v1/namespaces/{NAMESPACE}/pods"
        self.api.admin.do("POST", path, body)
        pod = Pod(name, self.make_netns(), node)
        pod.name = f"{NAMESPACE}/{name}"
        result = json.loads(node.cni("add", pod).stdout)
        pod.addresses = [one["address"].partition("/")[0] for one in result["ips"]]
        pod.host = next(one["name"] for one in result["interfaces"] if one["name"].startswith("veth"))
        node.pods.append(pod)
        told = {"phase": "Running", "podIP": pod.address, "podIPs": [{"ip": pod.address}]}
        self.api.admin.do("PATCH", f"{path}/{name}/status", {"status": told}, "application/merge-patch+json")
        return pod

    def start(self, name: str) -> None:
        """podnetd runs, and has brought into force what the API has."""
        node = self.nodes[name]
        words = [f"{node.root}/opt/podnet/current/bin/podnetd", "--config", f"{node.root}/etc/podnet",
                 "--subnet-env", f"{node.root}/run/flannel/subnet.env", "--run", self._run(name)]  # fmt: skip
        with open(node.root / "podnetd.log", "ab") as log:
            command = ["nsenter", f"--net={node.netns.path}", "--", *words]
            self.agents[name] = subprocess.Popen(command, stdout=log, stderr=log)
        until(lambda: self._in_force(name), (node.root / "podnetd.log").read_text)

    def stop(self, name: str) -> None:
        agent = self.agents.pop(name)
        agent.terminate()
        assert agent.wait(20) == 0

    def _run(self, name: str) -> str:
        return f"{self.nodes[name].root}/run/podnet"

    def _in_force(self, name: str) -> bool:
        origin = (client.ask(self._run(name), "/policy/state") or {}).get("origin") or {}
        return origin.get("source") == "podnetd" and origin["in_force"] and origin["following"]

    def kubectl(self, script: str) -> None:
        command = f'kubectl() {{ {self.api.directory}/kubectl --kubeconfig {self.api.kubeconfig} "$@"; }}\n{script}'
        subprocess.run(["sh", "-ec", command], check=True, capture_output=True)

    def run(self, fault: dict, steps: list[str]) -> None:
        def at(place: str, script: str) -> None:
            script = script.replace("6443", str(self.api.port)).replace("/root/", f"{self.directory}/")
            if "kubectl" in script:
                self.kubectl(script)
            else:
                node = self.nodes[place]
                script = script.replace("/var/lib/podnet", f"{node.root}/var/lib/podnet")
                node.netns.run("sh", "-ec", script)

        faults.run(fault, steps, self.known, at)

    def found(self, fault: dict) -> list[dict]:
        if fault.get("checks"):
            node = self.nodes[fault["verdict"]["node"]]
            state = Inside(node.netns, node_state.collect, node.places).result()
            failing = [check_as_json(check) for check in _failing(state)]
            return [{**each["finding"], "step": each["step"], "suspected": [], "evidence": None} for each in failing]
        ask = self.cluster.traced if fault.get("packets") else self.cluster.looked_at
        told = ask(fault.get("from", "friend-node1"), "server", PORT)
        return [told["verdict"]] if told["verdict"] else []


def until(true, told=lambda: "", seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail(told(), pytrace=False)
        time.sleep(0.3)


@pytest.fixture(scope="module")
def world(cluster, tmp_path_factory, netns_type):
    archive = real.archive()
    if archive is None:
        pytest.skip("needs the lab's archive of Kubernetes: `make lab` builds it")
    directory = tmp_path_factory.mktemp("api")
    real.unpack(archive, directory)
    names: list[str] = []

    def make_netns():
        names.append(f"podnet-verify-{os.getpid()}-p{len(names)}")
        subprocess.run(["ip", "netns", "add", names[-1]], check=True)
        made = netns_type(names[-1])
        made.run("ip link set lo up")
        return made

    with real.running(directory) as api:
        for path, thing in rbac.objects(["node1", "node2"], policies=True):
            api.admin.do("POST", path, thing)
        made = World(cluster, api, directory, make_netns)
        try:
            for name in made.nodes:
                made.start(name)
            yield made
        finally:
            for name in list(made.agents):
                made.stop(name)
            for each in made.forwards:
                each.close()
            for name in names:
                subprocess.run(["ip", "netns", "delete", name], check=False)


@pytest.mark.parametrize("fault", faults.load(faults.POLICIES), ids=lambda fault: fault["name"].replace(" ", "-"))
def test_a_fault_of_policies_is_named(world, impatient, fault):
    wanted, found = fault["verdict"], []

    def named() -> bool:
        found[:] = world.found(fault)
        place = (wanted["node"], wanted["step"])
        return any((each["node"], each["step"]) == place and faults.judged(wanted, each, world.known) for each in found)

    def healthy() -> bool:
        return world.cluster.looked_at("friend-node1", "server", PORT)["ok"]

    until(healthy)
    away = fault.get("away", [])
    try:
        for name in away:
            world.stop(name)
        world.run(fault, fault["inject"])
        until(named, lambda: json.dumps(found, indent=1), 30)
    finally:
        world.run(fault, fault["fix"])
        for name in away:
            world.start(name)
    until(healthy)
    until(
        lambda: not world.found({**fault, "checks": True}), lambda: json.dumps(world.found({**fault, "checks": True}))
    )


@pytest.fixture
def service(world):
    """A Service in front of the server."""
    rules = SERVED.format(service=SERVICE, server=world.server.address, port=PORT)
    for node in world.nodes.values():
        node.netns.run("iptables-restore", input=rules)
        node.run(f"ip route add {SERVICE} dev cni0")
    world.cluster.services[:] = [
        Endpoint("service", "policies/any", SERVICE, "", (world.server.address,), False, ("TCP",))
    ]
    yield
    world.cluster.services.clear()
    for node in world.nodes.values():
        node.run("nft delete table ip nat")
        node.run(f"ip route del {SERVICE} dev cni0")


def test_a_policy_that_names_the_port_of_the_service_instead_of_the_pods(world, service):
    """Policies see packets after DNAT: the rule accepts 80, and the pod gets 8080."""

    def told() -> dict:
        return world.cluster.looked_at("friend-node1", "policies/any", 80)

    until(lambda: told()["ok"], lambda: json.dumps(told()["verdict"], indent=1))
    friends = json.loads(json.dumps(FRIENDS).replace(str(PORT), "80"))
    (world.directory / "service.yml").write_text(json.dumps(friends))
    try:
        world.kubectl(f"kubectl apply -f {world.directory}/service.yml")
        until(lambda: not told()["ok"])
        verdict = told()["verdict"]
        assert (verdict["node"], verdict["step"]) == ("node2", "policy"), verdict
        assert (verdict["code"], verdict["subject"]) == ("policy.denied", "policies/server")
        assert (verdict["parameters"]["traffic"], verdict["parameters"]["allowed"]) == (["TCP 8080"], ["TCP 80"])
    finally:
        world.kubectl(f"kubectl apply -f {world.directory}/friends.yml")
    until(lambda: told()["ok"], lambda: json.dumps(told()["verdict"], indent=1))
