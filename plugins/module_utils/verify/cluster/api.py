# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the Kubernetes API says of a cluster, reduced to what verification needs.

Input are the ``items`` of ``kubectl get nodes,pods,services,endpointslices --output json``; without the last the
endpoints of a Service are the ready pods that it selects. Names of pods and services are namespace/name.
"""

from __future__ import annotations

import re
from dataclasses import field

from ..model.record import record

#: The label of an API server's static pod, as kubeadm makes it; its image's tag is its release.
API_SERVER = ("component", "kube-apiserver")
_TAG = re.compile(r":(v1\.\d+\.\d[^@:/]*)(@|$)")


@record
class Node:
    """A node; ``reason`` says why it is not ready, in the kubelet's words, ``runtime`` is as containerd://2.3.1."""

    name: str
    address: str
    ready: bool
    reason: str
    release: str
    runtime: str
    os: str
    pod_cidrs: list[str]


@record
class Pod:
    """A pod; ``address`` is empty as long as it has none, ``host_ports`` maps a port of the node to one of the pod."""

    name: str
    node: str
    address: str
    ready: bool
    host_network: bool
    labels: dict[str, str]
    host_ports: dict[int, int] = field(default_factory=dict)


@record
class Service:
    """A service; ``node_ports`` maps its ports to those of the nodes, ``protocols`` are those of its ports.
    ``endpoints`` are those of its EndpointSlices that kube-proxy uses, None where no slices were read: the ready ones;
    where there is none, the terminating ones that still serve. ``local``: the internal traffic policy is Local;
    ``external_local``: the external one."""

    name: str
    address: str
    ports: list[int]
    node_ports: dict[int, int]
    selector: dict[str, str]
    endpoints: list[str] | None = None
    protocols: list[str] = field(default_factory=list)
    local: bool = False
    external_local: bool = False


@record
class Cluster:
    """Nodes, pods on them that have not ended, and services with an address of their own; each sorted by name.
    ``api_servers``: the releases of those that are pods, by node."""

    nodes: list[Node]
    pods: list[Pod]
    services: list[Service]
    api_servers: dict[str, str] = field(default_factory=dict)
    _workloads: dict[str, list[Pod]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _publishing: list[Pod] | None = field(default=None, init=False, repr=False, compare=False)

    def workload(self, namespace: str) -> list[Pod]:
        """The pods of a namespace that have an address of their own. Asked for every node: found once."""
        if namespace not in self._workloads:
            own = (pod for pod in self.pods if pod.name.startswith(f"{namespace}/"))
            self._workloads[namespace] = [pod for pod in own if pod.address and not pod.host_network]
        return self._workloads[namespace]

    def publishing(self) -> list[Pod]:
        """The pods that publish ports of their nodes. Asked for every node: found once."""
        if self._publishing is None:
            self._publishing = [pod for pod in self.pods if pod.host_ports]
        return self._publishing

    def behind(self, service: Service) -> list[Pod]:
        """The pods that a service selects."""
        namespace = service.name.partition("/")[0]
        return [
            pod
            for pod in self.pods
            if service.selector
            and pod.name.startswith(f"{namespace}/")
            and service.selector.items() <= pod.labels.items()
        ]


def cluster(items: list[dict]) -> Cluster:
    """Read API objects. Raises ValueError for a list that holds no node."""
    kinds: dict[str, list[dict]] = {"Node": [], "Pod": [], "Service": []}
    for item in items:
        kinds.setdefault(item.get("kind", ""), []).append(item)
    if not kinds["Node"]:
        raise ValueError(
            "items: no object of kind Node; expected those of `kubectl get nodes,pods,services --output json`"
        )
    nodes = sorted(map(_node, kinds["Node"]), key=lambda node: node.name)
    # pods of a node that was removed stay in the API until its garbage collection comes by
    there = {"", *(node.name for node in nodes)}
    pods = [pod for pod in map(_pod, filter(_lives, kinds["Pod"])) if pod.node in there]
    services = sorted(map(_service, filter(_has_address, kinds["Service"])), key=lambda service: service.name)
    slices = kinds.get("EndpointSlice", [])
    for service in services if slices else ():
        service.endpoints = _endpoints([item for item in slices if _owner(item) == service.name], service.address)
    servers = {name: release for item in kinds["Pod"] for name, release in _api_server(item) if name in there}
    return Cluster(nodes, sorted(pods, key=lambda pod: pod.name), services, dict(sorted(servers.items())))


def _name(item: dict) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _node(item: dict) -> Node:
    status, spec = item["status"], item["spec"]
    addresses = [entry["address"] for entry in status.get("addresses", []) if entry["type"] == "InternalIP"]
    conditions = {entry["type"]: entry for entry in status.get("conditions", [])}
    ready = conditions.get("Ready", {"status": "Unknown", "message": "the kubelet has not reported"})
    return Node(
        name=item["metadata"]["name"],
        address=addresses[0] if addresses else "",
        ready=ready["status"] == "True",
        reason="" if ready["status"] == "True" else ready.get("message", ""),
        release=status.get("nodeInfo", {}).get("kubeletVersion", ""),
        runtime=status.get("nodeInfo", {}).get("containerRuntimeVersion", ""),
        os=status.get("nodeInfo", {}).get("osImage", ""),
        pod_cidrs=spec.get("podCIDRs") or [spec[key] for key in ("podCIDR",) if spec.get(key)],
    )


def _lives(item: dict) -> bool:
    ended = item.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not ended and "deletionTimestamp" not in item["metadata"]


def _pod(item: dict) -> Pod:
    spec, status = item["spec"], item.get("status", {})
    ports = [port for container in spec["containers"] for port in container.get("ports", [])]
    host_network = bool(spec.get("hostNetwork"))
    return Pod(
        name=_name(item),
        node=spec.get("nodeName", ""),
        address=status.get("podIP", ""),
        ready=any(entry["type"] == "Ready" and entry["status"] == "True" for entry in status.get("conditions", [])),
        host_network=host_network,
        labels=dict(item["metadata"].get("labels") or {}),
        host_ports={}
        if host_network
        else {port["hostPort"]: port["containerPort"] for port in ports if port.get("hostPort")},
    )


def _api_server(item: dict) -> list[tuple[str, str]]:
    """The node and the release of a pod that is an API server."""
    if API_SERVER not in (item["metadata"].get("labels") or {}).items():
        return []
    tags = [_TAG.search(container.get("image", "")) for container in item["spec"]["containers"]]
    return [(item["spec"].get("nodeName", ""), tag.group(1)) for tag in tags if tag]


def _has_address(item: dict) -> bool:
    return item["spec"].get("clusterIP") not in (None, "", "None")


def _owner(item: dict) -> str:
    """The Service that an EndpointSlice is of."""
    name = (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
    return f"{item['metadata']['namespace']}/{name}"


def _endpoints(slices: list[dict], address: str) -> list[str]:
    """The addresses that kube-proxy leads to, of the IP version of the Service's ``address``: a condition that is not
    there counts as true (discovery.k8s.io/v1, EndpointConditions)."""
    kind = "IPv6" if ":" in address else "IPv4"
    entries = [each for item in slices if item.get("addressType") == kind for each in item.get("endpoints") or []]
    ready, serving = [], []
    for entry in entries:
        conditions = entry.get("conditions") or {}
        if conditions.get("ready") is not False:
            ready.append(entry["addresses"][0])
        elif conditions.get("serving") and conditions.get("terminating"):
            serving.append(entry["addresses"][0])
    return sorted(set(ready or serving))


def _service(item: dict) -> Service:
    spec = item["spec"]
    return Service(
        name=_name(item),
        address=spec["clusterIP"],
        ports=[port["port"] for port in spec.get("ports", [])],
        node_ports={port["port"]: port["nodePort"] for port in spec.get("ports", []) if port.get("nodePort")},
        selector=dict(spec.get("selector") or {}),
        protocols=sorted({port.get("protocol") or "TCP" for port in spec.get("ports", [])}),
        local=spec.get("internalTrafficPolicy") == "Local",
        external_local=spec.get("externalTrafficPolicy") == "Local",
    )
