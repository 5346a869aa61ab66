# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A healthy cluster as the API and its nodes describe it, for the tests to spoil."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.api import cluster
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.matrix import DueProbe, probes
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.answer import NodeAnswer, Vtep
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.evidence import (
    IN,
    OUT,
    ProbeResult,
    VxlanFlow,
)
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import Attachment

NAMESPACE, PORT = "podnet-verify", 8080


def node(number: int) -> dict:
    return {
        "kind": "Node",
        "metadata": {"name": f"node{number}"},
        "spec": {"podCIDR": f"10.244.{number - 1}.0/24", "podCIDRs": [f"10.244.{number - 1}.0/24"]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": f"10.77.0.{10 + number}"},
                {"type": "Hostname", "address": f"node{number}"},
            ],
            "conditions": [{"type": "Ready", "status": "True", "message": "kubelet is posting ready status"}],
            "nodeInfo": {
                "kubeletVersion": "v1.20.2",
                "osImage": "Debian GNU/Linux 12 (bookworm)",
                "containerRuntimeVersion": "containerd://2.3.1",
            },
        },
    }


def pod(
    name: str, number: int, address: str, *, namespace: str = NAMESPACE, host_port: int | None = None, **spec
) -> dict:
    port = {"containerPort": PORT, **({"hostPort": host_port} if host_port else {})}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"podnet.cluster/verify": "server"}},
        "spec": {"nodeName": f"node{number}", "containers": [{"name": "server", "ports": [port]}], **spec},
        "status": {
            "phase": "Running",
            "podIP": address,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


@pytest.fixture
def items() -> list[dict]:
    """Three nodes, two pods of the workload on each, a pod of the host's network, one that has ended, the service."""
    pods = [pod(f"each-{n}", n, f"10.244.{n - 1}.2", host_port=18080) for n in (1, 2, 3)]
    pods += [pod(f"some-{n}", n, f"10.244.{n - 1}.3") for n in (1, 2, 3)]
    ended = pod("job", 2, "10.244.1.2", namespace="default")
    ended["status"]["phase"] = "Succeeded"
    proxy = pod("kube-proxy-1", 1, "10.77.0.11", namespace="kube-system", hostNetwork=True)
    service = {
        "kind": "Service",
        "metadata": {"name": "any", "namespace": NAMESPACE},
        "spec": {
            "clusterIP": "10.96.0.50",
            "selector": {"podnet.cluster/verify": "server"},
            "ports": [{"port": 80, "targetPort": PORT, "nodePort": 30080}],
        },
    }
    headless = {"kind": "Service", "metadata": {"name": "no", "namespace": "default"}, "spec": {"clusterIP": "None"}}
    return copy.deepcopy([*(node(n) for n in (1, 2, 3)), *pods, ended, proxy, service, headless])


@pytest.fixture
def found(items: list[dict]) -> dict[str, NodeAnswer]:
    """What each node's probe module answers when all is well."""
    state = cluster(items)
    answers = {}
    for here in state.nodes:
        due = probes(state, here.name, NAMESPACE, PORT)
        attached = [one for one in state.pods if one.node == here.name and not one.host_network]
        answers[here.name] = NodeAnswer(
            here.name,
            results=[answered(probe, here.name) for probe in due],
            attachments=[attachment(one.name, one.address) for one in attached],
            vteps=[Vtep("flannel.1", "0a:00:00:00:00:01", port=8472, mtu=1450, up=True)],
            flows=[
                VxlanFlow("host0", direction, *pair, 1, 7, here.name)
                for peer in state.nodes
                if peer is not here
                for direction, pair in ((OUT, (here.address, peer.address)), (IN, (peer.address, here.address)))
            ],
        )
    return answers


def answered(probe: DueProbe, node: str) -> ProbeResult:
    """The result of a probe that was answered."""
    names = (probe.source, probe.target, probe.scope, probe.kind, probe.address)
    return ProbeResult(*names, probe.port, ms=0.25, attempts=1, ok=True, node=node)


def lose(result: ProbeResult, code: Code = Code.PROBE_NO_ANSWER, **parameters) -> ProbeResult:
    """Let a probe fail."""
    parameters = {"timeout": 1.0, "source": result.source, "address": result.address, **parameters}
    result.ok, result.ms = False, None
    result.failure = Finding(code, result.node, result.address, parameters)
    return result


def attachment(name: str, address: str) -> Attachment:
    return Attachment(name, "4f5c", "podnet", "eth0", "/run/netns/x", [address])
