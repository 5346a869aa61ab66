# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real API server: credentials, rights, list and watch, and who gets which pod CIDR."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.sources import kubernetes as kubernetes_source
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.allocator import Allocator, assign
from standin import cluster as real
from standin.client import wait

NODES = "/api/v1/nodes"
FLANNEL = "flannel.alpha.coreos.com/"
NAMES = ["node1", "node2", "node3"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster of three nodes, with nobody to run pods on them."""
    archive = real.archive()
    if archive is None:
        pytest.skip("needs the lab's archive of Kubernetes: `make lab` builds it")
    directory = tmp_path_factory.mktemp("cluster")
    real.unpack(archive, directory)
    with real.running(directory) as running:
        running.controllers("csrsigning")
        for number, name in enumerate(NAMES, 1):
            make(running, name, [f"10.244.{number}.0/24"], f"10.77.0.{number}")
        yield running


def make(cluster, name: str, cidrs: list[str], address: str = "") -> None:
    """A Node as kubelet and controller would make it."""
    spec = {"podCIDRs": cidrs, "podCIDR": cidrs[0]} if cidrs else {}
    cluster.admin.do("POST", NODES, {"metadata": {"name": name}, "spec": spec})
    if address:
        status = {"status": {"addresses": [{"type": "InternalIP", "address": address}]}}
        cluster.admin.do("PATCH", f"{NODES}/{name}/status", status, "application/merge-patch+json")


@pytest.fixture(scope="module")
def run_module(root):
    """A function (module, check=False, fails=False, **arguments) that tells the module's result."""
    wrapper = (
        "import importlib, sys\nfrom ansible.module_utils import basic\n"
        "basic._ANSIBLE_ARGS = sys.stdin.buffer.read()\nbasic._ANSIBLE_PROFILE = 'legacy'\n"
        "importlib.import_module('ansible_collections.podnet.cluster.plugins.modules.' + sys.argv[1]).main()\n"
    )

    def run(name: str, /, *, check: bool = False, fails: bool = False, **arguments) -> dict:
        wrapped = {"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check, "_ansible_diff": True}}
        answer = subprocess.run(
            [root / ".venv/bin/python", "-c", wrapper, name],
            input=json.dumps(wrapped), env={**os.environ, "PYTHONPATH": str(root / "build/collections")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert answer.stdout.startswith("\n{") or answer.stdout.startswith("{"), answer
        result = json.loads(answer.stdout)
        assert bool(result.get("failed")) == fails, result
        return result

    return run


class Node:
    """What the role does on one node, and then the agent."""

    def __init__(self, cluster, run_module, directory, name: str) -> None:
        self.cluster, self.run, self.directory, self.name = cluster, run_module, directory, name
        self.paths = {"kubeconfig": str(directory / "kube.json"), "directory": str(directory / "kube")}

    def identities(self, requests: dict | None = None, check: bool = False) -> dict:
        return self.run(
            "agent_identities",
            check=check,
            nodes=NAMES,
            requests=requests or {},
            kubeconfig=str(self.cluster.kubeconfig),
        )

    def credentials(self, identities: dict, **more) -> dict:
        known = {"node": self.name, "server": identities["server"], "ca": identities["ca"]}
        return self.run("agent_credentials", **{**known, **self.paths, **more})

    def provision(self) -> dict:
        """The role's tasks; the last result."""
        identities = self.identities()
        told = self.credentials(identities)
        if told["request"]:
            signed = self.identities({self.name: told["request"]})
            told = self.credentials(identities, certificate=signed["certificates"][self.name])
        return told


@pytest.fixture(scope="module")
def node1(cluster, run_module, tmp_path_factory):
    """node1, with credentials."""
    node = Node(cluster, run_module, tmp_path_factory.mktemp("node1"), "node1")
    node.provision()
    return node


def files(directory) -> dict[str, tuple[str, int]]:
    """Everything below, with content and mode."""
    return {
        str(path): (path.read_text(), path.stat().st_mode & 0o777) for path in directory.rglob("*") if path.is_file()
    }


def test_check_mode_foretells_and_changes_nothing(cluster, run_module, tmp_path):
    """Before anything was made: this is the first test of the module's cluster."""
    node = Node(cluster, run_module, tmp_path, "node1")
    told = node.identities(check=True)
    assert told["changed"] and "create clusterrole podnet:node:node2" in told["changes"]
    assert node.credentials(told, check=True)["changed"]
    assert files(tmp_path) == {}
    roles = cluster.admin.do("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles")["items"]
    assert [each for each in roles if each["metadata"]["name"].startswith("podnet")] == []


def test_credentials_come_once_and_are_renewed_in_time(cluster, run_module, tmp_path):
    node1 = Node(cluster, run_module, tmp_path, "node1")
    node1.provision()
    before = files(tmp_path)
    assert sorted(path.removeprefix(str(tmp_path)) for path in before) == [
        "/kube.json",
        "/kube/ca.crt",
        "/kube/node.pem",
    ]
    assert before[f"{tmp_path}/kube/node.pem"][1] == 0o600
    assert not node1.identities()["changed"]
    again = node1.credentials(node1.identities())
    assert (again["changed"], again["request"]) == (False, None)
    left = cluster.admin.do("GET", "/apis/certificates.k8s.io/v1/certificatesigningrequests")["items"]
    assert left == []
    # too near to its end: a new key asks, the old one serves meanwhile, then the new one alone
    identities = node1.identities()
    due = node1.credentials(identities, renew_before=400)
    assert due["request"] and files(tmp_path).items() >= before.items()
    signed = node1.identities({"node1": due["request"]})["certificates"]["node1"]
    renewed = node1.credentials(identities, certificate=signed)
    after = files(tmp_path)
    assert renewed["expires"] and after.keys() == before.keys()
    assert after[f"{tmp_path}/kube/node.pem"] != before[f"{tmp_path}/kube/node.pem"]
    # somebody else's certificate is not taken
    refused = node1.credentials(identities, certificate=(cluster.directory / "admin.crt").read_text(), fails=True)
    assert "no key waits for a certificate" in refused["msg"]
    assert files(tmp_path) == after
    assert node1.credentials(identities, state="absent")["changed"]
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("verb", "what", "allowed"),
    [
        ("list", "nodes", True),
        ("watch", "nodes", True),
        ("get", "nodes/node2", True),
        ("patch", "nodes/node1/status", True),
        ("patch", "nodes/node2/status", False),
        ("patch", "nodes//status", False),
        ("patch", "nodes/node1", False),
        ("update", "nodes/node1/status", False),
        ("update", "nodes/node1", False),
        ("delete", "nodes/node1", False),
        ("get", "nodes/node1/proxy", False),
        ("create", "nodes", False),
        ("list", "pods", False),
        ("get", "secrets", False),
        ("create", "serviceaccounts//token", False),
        ("create", "certificatesigningrequests", False),
        ("*", "*", False),
    ],
)
def test_rights(cluster, node1, verb, what, allowed):
    """What the server's own authorizer says of the agent of node1; it is what `kubectl auth can-i` asks."""
    resource, name, part = (*what.split("/"), "", "")[:3]
    attributes = {"verb": verb, "resource": resource, "name": name, "subresource": part}
    spec = {
        "user": "podnet:node:node1",
        "groups": ["podnet:nodes", "system:authenticated"],
        "resourceAttributes": attributes,
    }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    told = cluster.admin.do("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert told["status"]["allowed"] is allowed


def test_the_server_holds_the_agent_to_it(cluster, node1):
    """The same by its certificate: kubectl reads the agent's own file. The specification stays out of reach."""

    def kubectl(*words: str) -> str:
        command = [cluster.directory / "kubectl", "--kubeconfig", node1.paths["kubeconfig"], *words]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        return f"{ran.returncode} {ran.stdout} {ran.stderr}"

    assert kubectl("get", "node", "node2").startswith("0 ")
    for words in (("annotate", "node", "node1", "a=b"), ("cordon", "node1"), ("delete", "node", "node2")):
        assert "forbidden" in kubectl(*words).lower(), words
    agent = kubernetes_source.Client(kubernetes_source.load_credentials(node1.paths["kubeconfig"]))
    kind = "application/strategic-merge-patch+json"
    lease = "podnet.cluster/lease"
    body = {
        "metadata": {"annotations": {lease: "{}"}},
        "spec": {"unschedulable": True, "taints": [{"key": "x", "effect": "NoExecute"}]},
    }
    told = agent.call("PATCH", f"{NODES}/node1/status", body, kind)
    assert told["metadata"]["annotations"][lease] == "{}"
    assert told["spec"] == cluster.admin.node("node1")["spec"] and "unschedulable" not in told["spec"]
    assert [each for each in told["spec"].get("taints", []) if each["key"] == "x"] == []
    with pytest.raises(kubernetes_source.ApiError, match="403 Forbidden"):
        agent.call("PATCH", f"{NODES}/node2/status", body, kind)
    agent.close()


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}, "may not change metadata.labels"),
        ({"metadata": {"finalizers": ["example.com/keep"]}}, "may not change metadata.finalizers"),
        ({"metadata": {"annotations": {"example.com/other": "x"}}}, "only annotations that they write"),
        ({"metadata": {"annotations": {"example.com/kept": None}}}, "only annotations that they write"),
        ({"metadata": {"annotations": {FLANNEL + "public-ip-overwrite": "192.0.2.9"}}}, "only annotations"),
        (
            {"status": {"addresses": [{"type": "InternalIP", "address": "10.77.0.9"}]}},
            "may not change status.addresses",
        ),
        ({"status": {"capacity": {"cpu": "1000"}}}, "may not change status.capacity"),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "only the condition NetworkUnavailable"),
        ({"metadata": {"annotations": {"podnet.cluster/lease": "{}"}}}, ""),
        ({"status": {"conditions": [{"type": "NetworkUnavailable", "status": "False"}]}}, ""),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_the_agent_writes_what_is_its_own_and_nothing_else(cluster, node1, patch, words):
    """RBAC alone would let it: the status resource takes labels, finalizers and addresses, too."""
    if cluster.release < (1, 30):
        pytest.skip("ValidatingAdmissionPolicy: Kubernetes 1.30")
    cluster.admin.patch("node1", {"metadata": {"annotations": {"example.com/kept": "x"}}})
    agent = kubernetes_source.Client(kubernetes_source.load_credentials(node1.paths["kubeconfig"]))
    kind = "application/strategic-merge-patch+json"

    def answer() -> str:
        try:
            agent.call("PATCH", f"{NODES}/node1/status", patch, kind)
        except kubernetes_source.ApiError as error:
            return str(error)
        return ""

    wait(answer, lambda told: words in told and bool(words) == bool(told))  # a policy counts from a moment later on
    agent.close()


def test_list_watch_and_patch(cluster, node1, tmp_path):
    (tmp_path / "overlay.json").write_text(json.dumps({"node_name": "node1", "networks": ["10.244.0.0/16"]}))
    settings = {"credentials": node1.paths["kubeconfig"], "cache": str(tmp_path / "cache")}
    source = kubernetes_source.open_source(str(tmp_path), settings)
    source.start()

    def peers() -> dict[str, str]:
        try:
            return {peer.name: str(peer.pod_cidrs[0]) for peer in source.read()[1].peers}
        except ValueError as error:
            return {"": str(error)}

    try:
        first = {"node2": "10.244.2.0/24", "node3": "10.244.3.0/24"}
        wait(peers, lambda found: found == first)
        source.report(True, "")
        told = wait(lambda: cluster.admin.node("node1"), lambda found: "annotations" in found["metadata"])
        told = wait(
            lambda: cluster.admin.node("node1"), lambda found: FLANNEL + "public-ip" in found["metadata"]["annotations"]
        )
        assert told["metadata"]["annotations"][FLANNEL + "public-ip"] == "10.77.0.1"
        (condition,) = [each for each in told["status"]["conditions"] if each["type"] == "NetworkUnavailable"]
        assert condition["status"] == "False"
        make(cluster, "node4", [], "10.77.0.4")
        cluster.admin.patch("node4", {"spec": {"podCIDR": "10.244.4.0/24", "podCIDRs": ["10.244.4.0/24"]}})
        wait(peers, lambda found: found == {**first, "node4": "10.244.4.0/24"})
        cluster.admin.do("DELETE", f"{NODES}/node4")
        wait(peers, lambda found: found == first)
        assert (source.status().counters["errors"], source.status().counters["lists"]) == (0, 1)
    finally:
        source.close()


def test_the_role_s_tasks(cluster, ansible, root, tmp_path):
    """Foretold, done, and nothing to do: three nodes, of which the first is the control plane."""
    hosts = {"control_plane": {"hosts": {"a": {"node_name": "node1"}}}}
    hosts["workers"] = {"hosts": {"b": {"node_name": "node2"}, "c": {"node_name": "node3"}}}
    connection = {"ansible_connection": "local", "ansible_python_interpreter": str(root / ".venv/bin/python")}
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"children": {"cluster": {"vars": connection, "children": hosts}}}}))
    out = tmp_path / "out"

    def play(*words: str, status: int = 0) -> str:
        extra = {"administrator": str(cluster.kubeconfig), "directory": str(out)}
        book = root / "tests/integration/agent/sources/credentials.yml"
        ran = ansible("ansible-playbook", "-i", str(inventory), str(book), "-e", json.dumps(extra), *words)
        assert ran.returncode == status, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    assert "changed: [b]" in play("--check") and not out.exists()
    assert "changed: [b]" in play()
    assert len({(out / host / "kube/node.pem").read_text() for host in "abc"}) == 3
    assert "changed: [" not in play()
    words = ("--kubeconfig", str(out / "c/kube.json"), "get", "nodes", "--output", "name")
    told = subprocess.run([cluster.directory / "kubectl", *words], capture_output=True, text=True, check=False)
    assert told.stdout.split() == [f"node/{name}" for name in NAMES], told.stderr
    # a node that asks to be another gets nothing, and leaves nothing in the cluster to be approved
    shutil.rmtree(out / "c")
    rogue = tmp_path / "rogue"
    rogue.mkdir()
    (rogue / "openssl").write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" | grep -q '[.]cnf$' || exec {shutil.which('openssl')} \"$@\"\n"
        f"exec {shutil.which('openssl')} req -new -key /dev/stdin -subj /O=podnet:nodes/CN=podnet:node:node1\n"
    )
    (rogue / "openssl").chmod(0o755)
    hosts["workers"]["hosts"]["c"]["node_path"] = f"{rogue}:{os.environ['PATH']}"
    inventory.write_text(json.dumps({"all": {"children": {"cluster": {"vars": connection, "children": hosts}}}}))
    told = play(status=2)
    assert "certificate-request.subject" in told, told
    assert not (out / "c/kube/node.pem").exists()
    left = cluster.admin.do("GET", "/apis/certificates.k8s.io/v1/certificatesigningrequests")["items"]
    assert left == []


def test_roles_of_nodes_that_are_gone_go(cluster, node1, run_module):
    told = run_module("agent_identities", nodes=[*NAMES, "gone"], kubeconfig=str(cluster.kubeconfig))
    assert "create clusterrole podnet:node:gone" in told["changes"]
    told = node1.identities()
    assert told["changes"] == ["delete clusterrole podnet:node:gone", "delete clusterrolebinding podnet:node:gone"]
    # one that somebody widened is narrowed, and one that is in the cluster stays, though nobody names it
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/podnet:node:node1"
    cluster.admin.do(
        "PATCH",
        path,
        {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
        "application/merge-patch+json",
    )
    told = run_module("agent_identities", nodes=["node1"], kubeconfig=str(cluster.kubeconfig))
    assert told["changes"] == ["change clusterrole podnet:node:node1"]
    assert cluster.admin.do("GET", path)["rules"][0]["resourceNames"] == ["node1"]
    assert not node1.identities()["changed"]


def test_pod_cidrs_as_kube_controller_manager_gives_them_out(cluster):
    """Nodes come one by one, with blocks that are taken already and a service network in the midst; some go, others
    come: the controller and ours give out the same. (What it releases it learns from an event, so one at a time.)"""
    allocator = Allocator(["10.200.0.0/20", "fd00:200::/60"], {4: 24, 6: 64}, ["10.200.4.0/23", "fd00:200::/112"])
    make(cluster, "taken", ["10.200.1.0/24", "fd00:200:0:3::/64"])
    allocator.occupy("taken", ["10.200.1.0/24", "fd00:200:0:3::/64"])
    others = [*NAMES]
    for name in others:
        cluster.admin.do("DELETE", f"{NODES}/{name}")
    manager = cluster.controllers(
        "nodeipam", allocate_node_cidrs="true", cluster_cidr="10.200.0.0/20,fd00:200::/60",
        service_cluster_ip_range="10.200.4.0/23,fd00:200::/112", node_cidr_mask_size_ipv4=24,
        node_cidr_mask_size_ipv6=64,
    )  # fmt: skip

    def given(name: str) -> list[str]:
        return wait(lambda: cluster.admin.node(name)["spec"].get("podCIDRs"), bool, 60)

    try:
        for turn in ("a", "b", "c", "d", "-b", "e", "-a", "f", "g", "h", "-c", "i", "j", "k"):
            if turn.startswith("-"):
                cluster.admin.do("DELETE", f"{NODES}/{turn[1:]}")
                allocator.release(turn[1:])
                continue
            make(cluster, turn, [])
            assert given(turn) == allocator.allocate(turn), turn
        # all of them at once, from what there is: the same again, since what is taken is taken over
        held = {each["metadata"]["name"]: each["spec"]["podCIDRs"] for each in cluster.admin.do("GET", NODES)["items"]}
        again = assign(held, ["10.200.0.0/20", "fd00:200::/60"], None, ["10.200.4.0/23"], held)
        assert again == held
    finally:
        manager.terminate()
        for each in cluster.admin.do("GET", NODES)["items"]:
            cluster.admin.do("DELETE", f"{NODES}/{each['metadata']['name']}")


def request(cluster, node: str, names: str) -> None:
    """What the kubelet of a node requests: a serving certificate for ``names``."""
    key, pem = cluster.directory / f"{node}.key", cluster.directory / f"{node}.csr"
    subject = ["-subj", f"/O=system:nodes/CN=system:node:{node}", "-addext", f"subjectAltName={names}"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run(
        ["openssl", "req", "-new", *curve, "-keyout", key, "-out", pem, *subject], check=True, capture_output=True
    )
    spec = {
        "signerName": "kubernetes.io/kubelet-serving",
        "usages": ["digital signature", "server auth"],
        "request": base64.b64encode(pem.read_bytes()).decode(),
    }
    body = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "spec": spec}
    file = cluster.directory / f"{node}.json"
    file.write_text(json.dumps({**body, "metadata": {"name": f"kubelet-{node}"}}))
    made = cluster.kubectl(
        "create", "--filename", str(file), f"--as=system:node:{node}",
        "--as-group=system:nodes", "--as-group=system:authenticated",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr


def test_kubelets_get_their_serving_certificates(cluster, run_module, ansible, root, tmp_path):
    """node1 asks for itself, node2 for the address of node3, and node3 should ask and does not."""
    connection = {"ansible_connection": "local", "ansible_python_interpreter": str(root / ".venv/bin/python")}
    hosts = {name: {"node_address": f"10.77.0.{number}"} for number, name in enumerate(NAMES, 1)}
    children = {"control_plane": {"hosts": {"node1": hosts.pop("node1")}}, "workers": {"hosts": hosts}}
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"children": {"cluster": {"vars": connection, "children": children}}}}))
    kubelet = {"metadata": {"name": "kubelet-config"}, "data": {"kubelet": "kind: x\nserverTLSBootstrap: true\n"}}
    cluster.admin.do("POST", "/api/v1/namespaces/kube-system/configmaps", kubelet)
    request(cluster, "node1", "DNS:node1,IP:10.77.0.1")
    request(cluster, "node2", "DNS:node2,IP:10.77.0.3")
    told = run_module("agent_identities", nodes=NAMES, kubeconfig=str(cluster.kubeconfig))
    assert sorted(told["kubelets"]) == ["system:node:node1", "system:node:node2"]

    def play(*words: str, status: int = 0) -> str:
        extra = {"administrator": str(cluster.kubeconfig), "overlay_pod_cidr_timeout": 30}
        book = root / "tests/integration/agent/sources/kubelets.yml"
        ran = ansible("ansible-playbook", "-i", str(inventory), str(book), "-e", json.dumps(extra), *words)
        assert ran.returncode == status, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    def status(node: str) -> dict:
        return cluster.admin.do("GET", f"/apis/certificates.k8s.io/v1/certificatesigningrequests/kubelet-{node}")[
            "status"
        ]

    assert "kubelet-request.names" in play("--check", status=2) and status("node1") == {}
    told = play(status=2)
    assert "kubelet-request.names" in told and "kubelet-request.missing" not in told
    assert status("node1")["certificate"] and status("node2") == {}
    awaited = ("-e", json.dumps({"_cluster_new_kubelets": NAMES}))
    assert "kubelet-request.missing" in play(*awaited, "-e", "overlay_pod_cidr_timeout=1", status=2)
    cluster.admin.do("DELETE", "/apis/certificates.k8s.io/v1/certificatesigningrequests/kubelet-node2")
    request(cluster, "node2", "DNS:node2,IP:10.77.0.2")
    request(cluster, "node3", "DNS:node3,IP:10.77.0.3")
    assert "changed: [node1" in play() and "changed: [" not in play()
    assert status("node2")["certificate"] and status("node3")["certificate"]
