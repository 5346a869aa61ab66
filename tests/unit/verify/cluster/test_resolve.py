# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What names an endpoint, and what is traced when probes fail."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.podnet.cluster.plugins.filter.trace_requests import trace_requests
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import lease
from ansible_collections.podnet.cluster.plugins.module_utils.records import codec
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.api import cluster
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.resolve import nodes, requests, resolve
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import Endpoint, EndpointError
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.evidence import ProbeResult
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import AddressState
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import (
    CniState,
    InstalledLibrary,
    NodeState,
    OverlayState,
    Peer,
)
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.hops.node_view import NodeView
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.resolve import at

from ..conftest import NAMESPACE


def failed(source, address, port=8080, ok=False):
    return ProbeResult(source, "", "pod to pod", "tcp", address, port, ok=ok)


@pytest.mark.parametrize(
    ("text", "kind", "name", "node"),
    [
        (f"{NAMESPACE}/each-2", "pod", f"{NAMESPACE}/each-2", "node2"),
        ("each-2", "pod", f"{NAMESPACE}/each-2", "node2"),
        ("10.244.1.2", "pod", f"{NAMESPACE}/each-2", "node2"),
        ("10.244.1.77", "pod", "10.244.1.77", "node2"),
        ("any", "service", f"{NAMESPACE}/any", ""),
        ("10.96.0.50", "service", f"{NAMESPACE}/any", ""),
        ("node3", "node", "node3", "node3"),
        ("10.77.0.13", "node", "node3", "node3"),
        ("kube-system/kube-proxy-1", "node", "node1", "node1"),
        ("192.0.2.1", "outside", "192.0.2.1", ""),
        ("2001:db8::1", "outside", "2001:db8::1", ""),
        ("2001:0DB8::0001", "outside", "2001:db8::1", ""),
    ],
)
def test_an_endpoint_is_known_by_name_or_address(items, text, kind, name, node):
    end = resolve(cluster(items), text)
    assert (end.kind, end.name, end.node) == (kind, name, node)
    assert bool(end.backends) == (kind == "service")


def test_a_pods_address_that_a_node_has_by_mistake_stays_the_pods():
    def leased(number):
        block = f"10.244.{number}.0/24"
        return lease.parse({"name": f"node{number}", "address": f"10.77.0.1{number}", "pod_cidrs": [block]})

    addresses = [AddressState("lo", address) for address in ("10.244.1.1/24", "10.244.2.2/32", "192.0.2.1/24")]
    overlay = OverlayState(lease=leased(1), peers=[Peer(leased(2), False)])
    cni = CniState("", "", "", InstalledLibrary())
    view = NodeView(NodeState("node1", 0.0, cni, overlay, addresses=addresses))
    assert at("10.244.2.2", [view]) == Endpoint("pod", "10.244.2.2", "10.244.2.2", "node2")
    for own in ("10.244.1.1", "192.0.2.1"):
        assert at(own, [view]) == Endpoint("node", "node1", own, "node1")
    assert at("10.77.0.12", [view]) == Endpoint("node", "node2", "10.77.0.12", "node2")


def test_what_names_nothing_is_refused(items):
    with pytest.raises(EndpointError, match="nobody: is neither an address nor the name of a pod, Service or node"):
        resolve(cluster(items), "nobody")


def test_what_names_several_is_refused(items):
    twin = next(item for item in items if item["metadata"]["name"] == "each-1")
    items.append({**twin, "metadata": {**twin["metadata"], "namespace": "other"}})
    with pytest.raises(EndpointError, match=rf"each-1: is ambiguous \(pod other/each-1, pod {NAMESPACE}/each-1\)"):
        resolve(cluster(items), "each-1")


def test_a_failed_probe_is_traced_once_between_two_nodes(items):
    results = [
        failed("node1", "10.244.1.2"),
        failed(f"{NAMESPACE}/each-1", "10.244.1.2"),
        failed(f"{NAMESPACE}/some-1", "10.244.1.3"),
        failed(f"{NAMESPACE}/each-1", "10.244.2.2"),
        failed(f"{NAMESPACE}/each-2", "10.244.2.2", ok=True),
    ]
    state = cluster(items)
    found = requests(state, results, 4)
    # what comes from pods tells more than what comes from nodes
    assert [(one.source.name, one.target.node) for one in found] == [
        (f"{NAMESPACE}/each-1", "node2"),
        (f"{NAMESPACE}/each-1", "node3"),
    ]
    assert len(requests(state, results, 1)) == 1
    assert nodes(found[0], state) == ["node1", "node2"]
    assert found[0].target.address == "10.244.1.2"


def test_every_node_s_requests_come_in_turn_and_services_last(items):
    pairs = [(1, "10.96.0.50"), (1, "10.244.1.2"), (1, "10.244.2.2"), (2, "10.244.0.2"), (2, "10.244.2.2")]
    results = [failed(f"{NAMESPACE}/each-{one}", address, 80) for one, address in pairs]
    found = [(one.source.node, one.target.node) for one in requests(cluster(items), results, 5)]
    assert found == [("node1", "node2"), ("node2", "node1"), ("node1", "node3"), ("node2", "node3"), ("node1", "")]


def test_the_nodes_behind_a_service_are_inspected(items):
    state = cluster(items)
    (request,) = requests(state, [failed(f"{NAMESPACE}/each-1", "10.96.0.50", 80)], 4)
    assert request.port == 80
    assert nodes(request, state) == ["node1", "node2", "node3"]


def test_a_service_without_selector_has_the_endpoints_that_were_written(items):
    name = {"name": "kubernetes", "namespace": "default"}
    items.append({"kind": "Service", "metadata": name, "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]}})
    items.append(endpoint_slice("default/kubernetes", {"10.77.0.11": {"ready": True}, "10.77.0.12": {"ready": False}}))
    (request,) = trace_requests(items, ends=["node2", "default/kubernetes"])
    assert request["target"]["backends"] == ["10.77.0.11"]
    assert (request["port"], request["nodes"]) == (443, ["node2", "node1"])
    assert request["mark"].startswith("podnet ")


def endpoint_slice(service: str, endpoints: dict[str, dict], kind: str = "IPv4") -> dict:
    namespace, _slash, name = service.partition("/")
    labels = {"kubernetes.io/service-name": name}
    return {
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-x", "namespace": namespace, "labels": labels},
        "addressType": kind,
        "endpoints": [{"addresses": [address], "conditions": each} for address, each in endpoints.items()],
    }


@pytest.mark.parametrize(
    ("endpoints", "backends"),
    [
        ({"10.244.0.2": {}, "10.244.1.2": {"ready": False}}, ["10.244.0.2"]),
        ({"10.244.0.2": {"ready": False, "serving": True, "terminating": True}}, ["10.244.0.2"]),
        ({"10.244.0.2": {"ready": False, "serving": False, "terminating": True}}, []),
        (
            {"10.244.0.2": {"ready": True}, "10.244.1.2": {"serving": True, "terminating": True, "ready": False}},
            ["10.244.0.2"],
        ),
        ({}, []),
    ],
)
def test_the_endpoints_are_those_that_kube_proxy_uses(items, endpoints, backends):
    items.append(endpoint_slice(f"{NAMESPACE}/any", endpoints))
    items.append(endpoint_slice(f"{NAMESPACE}/any", {"fd00::1": {"ready": True}}, "IPv6"))
    (request,) = trace_requests(items, ends=[f"{NAMESPACE}/each-1", f"{NAMESPACE}/any"])
    assert request["target"]["backends"] == backends
    assert request["target"]["protocols"] == ["TCP"]


def test_a_node_s_port_is_the_service_by_that_node(items):
    service = next(item for item in items if item["kind"] == "Service")
    service["spec"]["externalTrafficPolicy"] = "Local"
    (request,) = trace_requests(items, ends=[f"{NAMESPACE}/each-1", "node3"], port=30080)
    target = request["target"]
    assert (target["kind"], target["address"], target["node"], target["local"]) == (
        "service",
        "10.77.0.13",
        "node3",
        True,
    )
    assert request["nodes"] == ["node1", "node3", "node2"]
    (request,) = trace_requests(items, ends=[f"{NAMESPACE}/each-1", "node3"], port=22)
    assert request["target"]["kind"] == "node"


def test_an_end_that_is_missing_is_asked_for(items):
    with pytest.raises(AnsibleFilterError, match="two ends are needed: give both"):
        trace_requests(items, ends=["node1", ""])


def test_the_results_of_the_module_are_read(items):
    results = [codec.to_json(failed(f"{NAMESPACE}/each-1", "10.244.1.2")), codec.to_json(failed("x", "y", ok=True))]
    (request,) = trace_requests(items, results=results)
    assert (request["source"]["name"], request["target"]["node"]) == (f"{NAMESPACE}/each-1", "node2")


def test_behind_a_node_s_port_is_what_it_leads_to(items):
    state = cluster(items)
    published = next(pod for pod in state.pods if pod.host_ports)
    service = next(one for one in state.services if one.node_ports)
    (of_nodes,) = service.node_ports.values()
    address = next(node.address for node in state.nodes if node.name == published.node)
    for port, expected in (
        (next(iter(published.host_ports)), (published.name, next(iter(published.host_ports.values())))),
        (of_nodes, (service.name, of_nodes)),
        (9, (published.node, 9)),
    ):
        (request,) = requests(state, [failed(f"{NAMESPACE}/each-3", address, port)], 4)
        assert (request.target.name, request.port) == expected
