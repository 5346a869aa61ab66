# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What names the end of a way, and which ways are followed when probes fail."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.podnet.cluster.plugins.filter import ways as the_filter
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.api import cluster
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.resolve import end_of, nodes, ways
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import End, EndError, as_end
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.hops.node_view import Look
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.resolve import at

from ..conftest import NAMESPACE


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
    ],
)
def test_an_end_is_known_by_name_or_address(items, text, kind, name, node):
    end = end_of(cluster(items), text)
    assert (end.kind, end.name, end.node) == (kind, name, node)
    assert bool(end.backends) == (kind == "service")


def test_a_pods_address_that_a_node_has_by_mistake_stays_the_pods():
    def leased(number):
        return {"name": f"node{number}", "addresses": [f"10.77.0.1{number}"], "pod_cidrs": [f"10.244.{number}.0/24"]}

    addresses = [{"address": address, "dev": "lo"} for address in ("10.244.1.1/24", "10.244.2.2/32", "192.0.2.1/24")]
    overlay = {"lease": leased(1), "peers": [leased(2)]}
    look = Look({"node": "node1", "overlay": overlay, "addresses": addresses, "pods": [], "links": {}})
    assert at("10.244.2.2", [look]) == End("pod", "10.244.2.2", "10.244.2.2", "node2")
    for own in ("10.244.1.1", "192.0.2.1"):
        assert at(own, [look]) == End("node", "node1", own, "node1")


def test_what_names_nothing_is_refused(items):
    with pytest.raises(EndError, match="nobody: the cluster has no pod, Service or node of that name"):
        end_of(cluster(items), "nobody")


def test_what_names_several_is_refused(items):
    twin = next(item for item in items if item["metadata"]["name"] == "each-1")
    items.append({**twin, "metadata": {**twin["metadata"], "namespace": "other"}})
    with pytest.raises(EndError, match=rf"each-1: there are pod other/each-1, pod {NAMESPACE}/each-1: say which"):
        end_of(cluster(items), "each-1")


def test_a_failed_probe_is_followed_once_between_two_nodes(items):
    failed = {"ok": False, "port": 8080}
    results = [
        {**failed, "source": "node1", "address": "10.244.1.2"},
        {**failed, "source": f"{NAMESPACE}/each-1", "address": "10.244.1.2"},
        {**failed, "source": f"{NAMESPACE}/some-1", "address": "10.244.1.3"},
        {**failed, "source": f"{NAMESPACE}/each-1", "address": "10.244.2.2"},
        {**failed, "source": f"{NAMESPACE}/each-2", "address": "10.244.2.2", "ok": True},
    ]
    state = cluster(items)
    found = ways(state, results, 4)
    # what comes from pods tells more than what comes from nodes
    assert [(way["from"]["name"], way["to"]["node"]) for way in found] == [
        (f"{NAMESPACE}/each-1", "node2"),
        (f"{NAMESPACE}/each-1", "node3"),
    ]
    assert len(ways(state, results, 1)) == 1
    assert nodes(found[0], state) == ["node1", "node2"]
    assert as_end(found[0]["to"]).address == "10.244.1.2"


def test_every_node_s_ways_come_in_turn_and_services_last(items):
    failed = {"ok": False, "port": 80}
    pairs = [(1, "10.96.0.50"), (1, "10.244.1.2"), (1, "10.244.2.2"), (2, "10.244.0.2"), (2, "10.244.2.2")]
    results = [{**failed, "source": f"{NAMESPACE}/each-{one}", "address": address} for one, address in pairs]
    found = [(way["from"]["node"], way["to"]["node"]) for way in ways(cluster(items), results, 5)]
    assert found == [("node1", "node2"), ("node2", "node1"), ("node1", "node3"), ("node2", "node3"), ("node1", "")]


def test_the_nodes_behind_a_service_are_looked_at(items):
    state = cluster(items)
    failed = {"ok": False, "port": 80, "source": f"{NAMESPACE}/each-1", "address": "10.96.0.50"}
    (way,) = ways(state, [failed], 4)
    assert way["port"] == 80
    assert nodes(way, state) == ["node1", "node2", "node3"]


def test_a_service_without_selector_has_the_endpoints_that_were_written(items):
    name = {"name": "kubernetes", "namespace": "default"}
    items.append({"kind": "Service", "metadata": name, "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]}})
    subsets = [{"addresses": [{"ip": "10.77.0.11"}], "notReadyAddresses": [{"ip": "10.77.0.12"}]}]
    items.append({"kind": "Endpoints", "metadata": name, "subsets": subsets})
    state = cluster(items)
    end = end_of(state, "default/kubernetes")
    assert end.backends == ("10.77.0.11",)
    way = {"from": asdict(end_of(state, "node2")), "to": asdict(end), "port": 443}
    assert nodes(way, state) == ["node2", "node1"]


def test_an_end_that_is_not_given_is_asked_for(items):
    with pytest.raises(AnsibleFilterError, match="a way has two ends: give both"):
        the_filter.ways(items, ends=["node1", ""])


def test_behind_a_node_s_port_is_what_it_leads_to(items):
    state = cluster(items)
    published = next(pod for pod in state.pods if pod.host_ports)
    service = next(one for one in state.services if one.node_ports)
    ((own, of_nodes),) = service.node_ports.items()
    address = next(node.address for node in state.nodes if node.name == published.node)
    for port, expected in (
        (next(iter(published.host_ports)), (published.name, next(iter(published.host_ports.values())))),
        (of_nodes, (service.name, own)),
        (9, (published.node, 9)),
    ):
        failed = {"ok": False, "port": port, "source": f"{NAMESPACE}/each-3", "address": address}
        (way,) = ways(state, [failed], 4)
        assert (way["to"]["name"], way["port"]) == expected
