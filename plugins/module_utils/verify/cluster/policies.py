# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which probes policies forbid: judged by the API's objects alone, for all nodes at once. Runs on the controller.

To the compiler every pod is one of "this" node, so its Program has both ends of each connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ...findings.codes import Code
from ...findings.finding import Finding
from ...ipam.prefix import parse_prefix
from ...netlink.wire import pack_ip
from ...policy import explain, read
from ...policy.compile import Compiler
from ...policy.evaluate import Flow, holds
from ...policy.model import PROTOCOLS, Pod
from ...policy.program import EGRESS, INGRESS
from ..model.evidence import ProbeResult
from ..trace.hops.policy import denial
from .api import Cluster, Service
from .api import Pod as ApiPod

READERS = {
    "Namespace": read.namespace,
    "Pod": read.pod,
    "NetworkPolicy": read.policy,
    "ClusterNetworkPolicy": read.cluster_policy,
}
ICMP = {4: 1, 16: 58}


class Verdict(NamedTuple):
    """``denied``: why a probe may be lost by policies, None where they let it pass; ``certain``: no path of it is
    open."""

    denied: Finding | None = None
    certain: bool = False


class Policies:
    """By the ``items`` of ``kubectl get`` with namespaces and policies; without these all is open, as on nodes that
    enforce none. What cannot be read is left out: podnetd reports it."""

    def __init__(self, items: list[dict[str, Any]], cluster: Cluster) -> None:
        self.cluster = cluster
        self.present = any(item.get("kind") in ("NetworkPolicy", "ClusterNetworkPolicy") for item in items)
        self._ports: dict[tuple[str, int], tuple[str | int, str]] = {}
        self._named: dict[str, Pod] = {}
        if self.present:
            self._compile(items)

    def _compile(self, items: list[dict[str, Any]]) -> None:
        compiler = Compiler("", ("0.0.0.0/0", "::/0"))
        for item in items:
            reader = READERS.get(item.get("kind", ""))
            try:
                record = reader(item) if reader else None
            except ValueError:
                continue
            if isinstance(record, Pod):
                record = self._named[record.key] = record._replace(node="")
            if record is not None:
                compiler.put(record)
            if item.get("kind") == "Service":
                self._know(item)
        compiler.take()
        self._program = compiler.program
        self._nodes = {node.address: node.name for node in self.cluster.nodes}
        self._services = {service.address: service for service in self.cluster.services}
        self._sources = {pod.name: pod for pod in self.cluster.pods if pod.address and not pod.host_network}
        self._pods = {pod.address: pod for pod in self.cluster.pods if pod.address and not pod.host_network}

    def _know(self, item: dict[str, Any]) -> None:
        name = f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        for port in item["spec"].get("ports") or ():
            leads_to = port.get("targetPort", port["port"]), port.get("protocol", "TCP")
            self._ports[name, port["port"]] = leads_to

    def verdict(self, result: ProbeResult) -> Verdict:
        """Of one probe."""
        if not self.present:
            return Verdict()
        denials = list(self._denials(result))
        denied = next((each for each in denials if each), None)
        by_node = result.address in self._nodes  # what its ports lead to is seen from several nodes' addresses
        return Verdict(denied, bool(denials) and all(denials) and not by_node)

    def _denials(self, result: ProbeResult) -> Iterator[Finding | None]:
        """Of each connection that a probe may be, as the policies see it: why it is dropped, None where it passes."""
        pod = self._sources.get(result.source)
        node = pod.node if pod else result.source
        for source in [pod.address] if pod else self._own(result.source):
            for target, port in self._ends(result):
                there = self._pods.get(target)
                own = not pod and there and there.node == node  # a node reaches its own pods
                yield None if own else self._between(source, target, port, result.kind)

    def _own(self, name: str) -> list[str]:
        """A node's addresses on its packets to pods: its own, and the tunnel's."""
        found = []
        for node in self.cluster.nodes:
            if node.name == name:
                found = [node.address, *(parse_prefix(cidr).address() for cidr in node.pod_cidrs)]
        return [each for each in found if each]

    def _ends(self, result: ProbeResult) -> Iterator[tuple[str, int]]:
        """What a probe's address leads to."""
        service = self._services.get(result.address)
        if service:
            yield from self._behind(service, result.port or 0)
            return
        yield result.address, result.port or 0
        name = self._nodes.get(result.address)
        for pod in self.cluster.publishing() if name else ():
            if pod.node == name and result.port in pod.host_ports:
                yield pod.address, pod.host_ports[result.port or 0]
        for service in self.cluster.services if name else ():
            for port, node_port in service.node_ports.items():
                if node_port == result.port:
                    yield from self._behind(service, port)

    def _behind(self, service: Service, port: int) -> Iterator[tuple[str, int]]:
        number, protocol = self._ports.get((service.name, port), (port, "TCP"))
        for pod in self.cluster.behind(service):
            if pod.address and pod.ready:
                found = number if isinstance(number, int) else self._number(pod, number, protocol)
                yield pod.address, found

    def _number(self, pod: ApiPod, name: str, protocol: str) -> int:
        """The pod's port of that name; 0 for none."""
        known = self._named.get(pod.name)
        ports = known.ports if known else ()
        return next((each.number for each in ports if (each.name, each.protocol) == (name, PROTOCOLS[protocol])), 0)

    def _between(self, source: str, target: str, port: int, kind: str) -> Finding | None:
        """Why a connection is dropped, None where it passes."""
        ends = pack_ip(source), pack_ip(target)
        if len(ends[0]) != len(ends[1]):
            return None
        number = ICMP[len(ends[0])] if kind == "icmp" else PROTOCOLS[kind.upper()]
        flow = Flow(*ends, number, 0 if kind == "icmp" else port)
        known = f"known{flow.family}"
        for direction, address, peer in ((EGRESS, ends[0], target), (INGRESS, ends[1], source)):
            if not holds(self._program, known, address):
                continue
            judged = explain.judge_direction(self._program, flow, direction)
            if not judged.accepted:
                pod = self._pods[source if direction == EGRESS else target]
                traffic = ["ICMP" if kind == "icmp" else f"{kind.upper()} {port}"]
                return denial(pod.node, judged, pod.name, peer, traffic)
        return None


def bypassed(result: ProbeResult, denied: Finding) -> Finding:
    """A probe that arrived though policies forbid it."""
    named = {key: denied.parameters[key] for key in ("policies", "traffic")}
    return Finding(Code.POLICY_BYPASSED, denied.node, result.source, {**named, "target": result.target})
