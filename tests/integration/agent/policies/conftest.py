# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetd in a namespace that enforces the policies of a real API server on pods that our CNI plugin connects."""

from __future__ import annotations

import itertools
import json
import os
import select
import socket
import subprocess
import threading

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import install
from ansible_collections.podnet.cluster.plugins.module_utils.kube import rbac
from standin import apiserver, forward
from standin import cluster as real

PORT = 8080
#: Seconds within which a connection that is allowed is made, and one that is not is given up.
ALLOWED, DENIED = 5.0, 0.3


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """A running API server; ``who`` is a directory with the certificate of node1's agent."""
    archive = real.archive()
    if archive is None:
        pytest.skip("needs the lab's archive of Kubernetes: `make lab` builds it")
    directory = tmp_path_factory.mktemp("cluster")
    real.unpack(archive, directory)
    with real.running(directory) as cluster:
        apiserver.identity(directory, "node1", "/O=podnet:nodes/CN=podnet:node:node1")
        for path, thing in rbac.objects(["node1"], policies=True):
            cluster.admin.do("POST", path, thing)
        yield cluster


@pytest.fixture(scope="session")
def executables(tmp_path_factory):
    """The directory of the CNI plugins, which work without the service."""
    root = tmp_path_factory.mktemp("plugins")
    install.install(install.read_tree(os.path.dirname(install.__file__)), str(root), socket=str(root / "none.sock"))
    return root / "current/bin"


class Cluster:
    """The API server as an administrator's: namespaces and pods of one test, gone with it."""

    serial = itertools.count(1)

    def __init__(self, api) -> None:
        self.admin = api.admin
        self.namespaces: dict[str, str] = {}
        self.policies: list[str] = []

    def namespace(self, name: str, **labels: str) -> str:
        """A namespace whose name begins so; its real name."""
        if name not in self.namespaces:
            real_name = self.namespaces[name] = f"{name}-{next(self.serial)}"
            self.admin.do("POST", "/api/v1/namespaces", {"metadata": {"name": real_name, "labels": labels}})
            account = {"metadata": {"name": "default"}, "automountServiceAccountToken": False}
            self.admin.do("POST", f"/api/v1/namespaces/{real_name}/serviceaccounts", account)
        return self.namespaces[name]

    def pod(self, namespace: str, name: str, node: str = "node1", **labels: str) -> str:
        """A pod without addresses; its UID."""
        container = {"name": "c", "image": "none", "ports": [{"name": "web", "containerPort": PORT}]}
        body = {"metadata": {"name": name, "labels": labels}, "spec": {"nodeName": node, "containers": [container]}}
        made = self.admin.do("POST", f"/api/v1/namespaces/{self.namespace(namespace)}/pods", body)
        return made["metadata"]["uid"]

    def status(self, namespace: str, name: str, *addresses: str, phase: str = "Running", **more: str) -> None:
        """What the kubelet says of the pod."""
        told = {"phase": phase, "podIPs": [{"ip": each} for each in addresses], "podIP": addresses[0], **more}
        path = f"/api/v1/namespaces/{self.namespace(namespace)}/pods/{name}/status"
        self.admin.do("PATCH", path, {"status": told}, "application/merge-patch+json")

    def remove_pod(self, namespace: str, name: str) -> None:
        path = f"/api/v1/namespaces/{self.namespace(namespace)}/pods/{name}?gracePeriodSeconds=0"
        self.admin.do("DELETE", path)

    def policy(self, namespace: str, name: str, **spec) -> None:
        """Makes or replaces a NetworkPolicy."""
        path = f"/apis/networking.k8s.io/v1/namespaces/{self.namespace(namespace)}/networkpolicies"
        body = {"metadata": {"name": name}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"], **spec}}
        if f"{path}/{name}" in self.policies:
            self.admin.do("PUT", f"{path}/{name}", body)
        else:
            self.admin.do("POST", path, body)
            self.policies.append(f"{path}/{name}")

    def remove_policy(self, namespace: str, name: str) -> None:
        path = f"/apis/networking.k8s.io/v1/namespaces/{self.namespace(namespace)}/networkpolicies/{name}"
        self.admin.do("DELETE", path)
        self.policies.remove(path)

    def close(self) -> None:
        """Removes all of it: no controller runs that would."""
        for path in self.policies:
            self.admin.call("DELETE", path)
        for name in self.namespaces.values():
            for pod in self.admin.do("GET", f"/api/v1/namespaces/{name}/pods")["items"]:
                self.admin.call(
                    "DELETE", f"/api/v1/namespaces/{name}/pods/{pod['metadata']['name']}?gracePeriodSeconds=0"
                )


class Pod:
    """A pod that runs: a namespace with an address, in which something listens for TCP at PORT and sends back what it
    gets."""

    def __init__(self, node: PolicyNode, namespace: str, name: str, container: str, netns, result: dict) -> None:
        self.node, self.namespace, self.name, self.container, self.netns = node, namespace, name, container, netns
        self.result = result
        self.addresses = [each["address"].partition("/")[0] for each in result["ips"]]
        with netns.entered():
            self.listener = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
        threading.Thread(target=self._serve, daemon=True).start()

    def connect(self, other: Pod, seconds: float = ALLOWED, version: int = 4) -> socket.socket | None:
        """A connection to the other pod, None where none was made in time."""
        address = other.addresses[0 if version == 4 else 1]
        with self.netns.entered():
            connection = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6)
        connection.settimeout(seconds)
        try:
            connection.connect((address, PORT))
        except OSError:
            connection.close()
            return None
        return connection

    def reaches(self, other: Pod, version: int = 4) -> bool:
        """Whether a connection is made at once."""
        connection = self.connect(other, DENIED, version)
        if connection:
            connection.close()
        return connection is not None

    def _serve(self) -> None:
        while True:
            try:
                connection, _peer = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(4096):
                    connection.sendall(data)
            except OSError:
                pass

    def close(self) -> None:
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()


class PolicyNode:
    """node1 with podnetd, and pods by our plugin."""

    def __init__(self, node, api, executables, cluster: Cluster, make_netns) -> None:
        self.node, self.api, self.executables, self.cluster, self.make_netns = (
            node,
            api,
            executables,
            cluster,
            make_netns,
        )
        self.forward = forward.Forward(node.netns, api.port)
        self.directory = node.directory / "policy"
        self.pods: list[Pod] = []
        self._serial = itertools.count(1)
        node.netns.run("ip link del pod0")
        (node.directory / "kube.json").write_text(
            json.dumps(apiserver.kubeconfig(api.directory, "node1", f"https://127.0.0.1:{api.port}"))
        )
        self.configure()

    def configure(self, **options) -> None:
        """Writes podnetd's settings."""
        policy = None if options.get("off") else {"directory": str(self.directory), **options}
        (self.node.directory / "podnetd.json").write_text(json.dumps({"policy": policy}))

    def start(self, **options):
        self.configure(**options)
        return self.node.start()

    def conf(self) -> dict:
        """The bridge's configuration."""
        ranges = [[{"subnet": each}] for each in self.node.lease()["pod_cidrs"]]
        ipam = {"type": "host-local", "dataDir": str(self.node.directory / "cni"), "ranges": ranges}
        ipam["routes"] = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
        return {
            "cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "cni0", "isGateway": True,
            "hairpinMode": True, "policyGate": str(self.directory / "gate"), "ipam": ipam,
        }  # fmt: skip

    def call(self, command: str, container: str, netns, namespace: str, name: str, uid: str, **more) -> dict:
        """The plugin's answer, with "code" where it failed."""
        words = ["nsenter", f"--net={self.node.netns.path}", "--", str(self.executables / "bridge")]
        args = f"IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name};K8S_POD_UID={uid}" if name else ""
        env = {"CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_NETNS": netns.path, "CNI_IFNAME": "eth0",
               "CNI_PATH": str(self.executables), "CNI_ARGS": args, "PATH": os.environ["PATH"]}  # fmt: skip
        done = subprocess.run(
            words, input=json.dumps({**self.conf(), **more}), env=env, text=True, capture_output=True, check=False
        )
        assert not done.stderr, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def add(self, namespace: str, name: str, uid: str = "") -> dict | Pod:
        """ADD as the runtime does it: the pod, or the error."""
        container, netns = f"c{next(self._serial)}", self.make_netns()
        answer = self.call("ADD", container, netns, self.cluster.namespace(namespace), name, uid)
        if "code" in answer:
            return answer
        self.pods.append(Pod(self, namespace, name, container, netns, answer))
        return self.pods[-1]

    def run_pod(self, namespace: str, name: str, **labels: str) -> Pod:
        """A pod in the API and in the kernel, as kubelet and runtime make it."""
        uid = self.cluster.pod(namespace, name, self.node.name, **labels)
        pod = self.add(namespace, name, uid)
        assert isinstance(pod, Pod), pod
        self.cluster.status(namespace, name, *pod.addresses, hostIP=self.node.lease()["address"])
        return pod

    def delete(self, pod: Pod) -> None:
        """DEL, and the pod's end in the API."""
        namespace = self.cluster.namespace(pod.namespace)
        assert self.call("DEL", pod.container, pod.netns, namespace, pod.name, "", prevResult=pod.result) == {}
        self.cluster.remove_pod(pod.namespace, pod.name)
        self.pods.remove(pod)
        pod.close()

    def status(self) -> dict:
        return self.node.agents[-1].status()["policy"]

    def table(self) -> str:
        """The table, without what counts."""
        return self.node.netns.run("nft", "-s", "list", "table", "inet", "podnet_policy", check=False).stdout

    def close(self) -> None:
        self.forward.close()
        for pod in self.pods:
            pod.close()


@pytest.fixture
def cluster(api):
    made = Cluster(api)
    yield made
    made.close()


@pytest.fixture
def node(make_nodes, make_netns, api, executables, cluster):
    """node1; its agent is not started yet."""
    (plain,), _switch = make_nodes(1, bridge="cni0")
    made = PolicyNode(plain, api, executables, cluster, make_netns)
    yield made
    made.close()


def alive(connection: socket.socket, seconds: float = 1.0) -> bool:
    """Whether what is sent comes back."""
    connection.sendall(b"hello")
    readable, _w, _x = select.select([connection], [], [], seconds)
    return bool(readable) and connection.recv(64) == b"hello"
