# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ClusterNetworkPolicy's own conformance tests (sigs.k8s.io/network-policy-api) with podnetd on two nodes.

The API server and the controller of StatefulSets are real. What the kubelet does with the tests' pods is done here: a
network namespace by our CNI plugin for each, and in it the pod's servers. `make cluster-policy`: too long for `make
test`. Where this kernel lacks SCTP, the subtests that speak it are left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ...conftest import until
from .conftest import PolicyNode

ROOT = Path(__file__).resolve().parents[4]
sys.path[:0] = [str(ROOT / "roles/kubernetes/files"), str(ROOT / "tests/e2e")]
OURS = "network-policy-conformance-"
LISTED = "/api/v1/pods"
pytestmark = pytest.mark.timeout(3600)


class Kubelets(threading.Thread):
    """Runs the tests' pods on the nodes in turn; ``directory`` gets a file with each pod's network namespace."""

    def __init__(self, nodes: list[PolicyNode], agnhost: Path, directory: Path) -> None:
        super().__init__(daemon=True)
        self.nodes = {node.node.name: node for node in nodes}
        self.agnhost, self.directory = agnhost, directory
        self.admin = nodes[0].api.admin
        self.servers: dict[str, list[subprocess.Popen]] = {}
        self.failure: Exception | None = None
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.3):
            try:
                found = self.admin.do("GET", LISTED)["items"]
                for pod in (each for each in found if each["metadata"]["namespace"].startswith(OURS)):
                    self._look(pod)
            except Exception as error:
                self.failure = error
                raise

    def _look(self, pod: dict) -> None:
        own, name, uid = (pod["metadata"][key] for key in ("namespace", "name", "uid"))
        path = f"/api/v1/namespaces/{own}/pods/{name}"
        if "deletionTimestamp" in pod["metadata"]:
            for process in self.servers.pop(uid, []):
                process.kill()
            self.admin.call("DELETE", f"{path}?gracePeriodSeconds=0")
        elif not pod["spec"].get("nodeName"):
            node = sorted(self.nodes)[int(name[-1]) % len(self.nodes)]
            target = {"apiVersion": "v1", "kind": "Node", "name": node}
            self.admin.do("POST", f"{path}/binding", {"metadata": {"name": name}, "target": target})
        elif uid not in self.servers:
            self._start(pod, self.nodes[pod["spec"]["nodeName"]], path)

    def _start(self, pod: dict, node: PolicyNode, path: str) -> None:
        own, name, uid = (pod["metadata"][key] for key in ("namespace", "name", "uid"))
        host = node.node.lease()["address"]
        netns, addresses = node.node.netns, [host]
        if not pod["spec"].get("hostNetwork"):
            netns = node.make_netns()
            result = node.call("ADD", uid, netns, own, name, uid)
            addresses = [each["address"].partition("/")[0] for each in result["ips"]]
        self.servers[uid] = []
        for container in pod["spec"]["containers"]:
            words = container.get("command", ["", "", "/agnhost pause"])[-1].replace("$(HOST_IP)", host).split()[1:]
            env = {each["name"]: each.get("value", host) for each in container.get("env", [])}
            command = ["nsenter", f"--net={netns.path}", "--", str(self.agnhost), *words]
            process = subprocess.Popen(
                command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            self.servers[uid].append(process)
        (self.directory / f"{own}.{name}").write_text(netns.path)
        told = {"phase": "Running", "podIP": addresses[0], "podIPs": [{"ip": each} for each in addresses]}
        told |= {"hostIP": host, "conditions": [{"type": "Ready", "status": "True"}]}
        self.admin.do("PATCH", f"{path}/status", {"status": told}, "application/merge-patch+json")

    def close(self) -> None:
        self._ended.set()
        self.join()
        for process in (each for some in self.servers.values() for each in some):
            process.kill()


@pytest.fixture
def nodes(make_nodes, make_netns, api, executables, cluster) -> Iterator[list[PolicyNode]]:
    plain, _switch = make_nodes(2, bridge="cni0")
    made = [PolicyNode(each, api, executables, cluster, make_netns) for each in plain]
    for each in made:
        path = f"/api/v1/nodes/{each.node.name}"
        api.admin.do("POST", "/api/v1/nodes", {"metadata": {"name": each.node.name}})
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        api.admin.do("PATCH", f"{path}/status", {"status": ready}, "application/merge-patch+json")
        each.start()
    yield made
    for each in made:
        each.close()
        api.admin.do("DELETE", f"/api/v1/nodes/{each.node.name}")


def served(api) -> bool:
    """Whether the API server has ClusterNetworkPolicies by now."""
    try:
        return api.admin.call("GET", "/apis/policy.networking.k8s.io/v1beta1/clusternetworkpolicies")[0] == 200
    except ValueError:  # "404 page not found"
        return False


def test_clusternetworkpolicy_conforms(nodes, api, tmp_path):
    import build_modules
    import cluster_policy
    import outcome
    import projects
    from golang import Go

    go = Go(build_modules.CACHE / "go", "amd64")
    program, source = cluster_policy.build(go), cluster_policy.source(go)
    built = build_modules.programs_directory(projects.RELEASES[projects.CURRENT][0])
    agnhost = built.with_name(built.name.replace("programs-", "tests-")) / "agnhost"
    definition = yaml.safe_load((source / cluster_policy.DEFINITION).read_text())
    api.admin.do("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    until("ClusterNetworkPolicies are served", lambda: served(api), 120)
    api.controllers("statefulset-controller,namespace-controller,serviceaccount-controller")
    for node in nodes:
        node.node.agents[-1].process.send_signal(1)  # which asks once a minute whether the API has them by now
    places = tmp_path / "pods"
    places.mkdir()
    execute = tmp_path / "exec"
    execute.write_text(
        f'#!/bin/sh\nnetns=$(cat "{places}/$1.$2"); shift 3\nexec nsenter "--net=$netns" -- {agnhost} "$@"\n'
    )
    execute.chmod(0o755)
    kubelets = Kubelets(nodes, agnhost, places)
    kubelets.start()
    sctp = cluster_policy.has_sctp()
    words = [program, f"-exec={execute}", *cluster_policy.options(sctp)]
    try:
        env = {**os.environ, "KUBECONFIG": str(api.kubeconfig)}
        told = subprocess.run(words, env=env, capture_output=True, text=True, check=False).stdout
    finally:
        kubelets.close()
    log = ROOT / "build/cluster-policy.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text(told)
    specs = outcome.read_go(told)
    print(outcome.summary(specs), "" if sctp else f"left out for want of SCTP: {cluster_policy.SCTP}", sep="\n")
    assert kubelets.failure is None
    assert outcome.passed(specs)
