# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hops of a path in order, and how faults of one excuse others: recorded states, altered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import Endpoint
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace import round_trip


def test_a_path_between_nodes_has_every_hop_in_order(between_nodes):
    steps = [(hop.node, str(hop.step)) for hop in between_nodes.judge().paths[0].hops]
    here = (
        "pod pod-route pod-neighbor port bridge forwarding filter route nat device neighbor fdb filter underlay wire"
    ).split()
    there = "input device forwarding filter bridge route deliver port pod".split()
    assert steps == [*(("node1", step) for step in here), *(("node2", step) for step in there)]


def test_pods_on_one_bridge_need_no_route_of_the_node_s(on_one_bridge):
    steps = [str(hop.step) for hop in on_one_bridge.judge().paths[0].hops]
    assert steps == ["pod", "pod-route", "pod-neighbor", "port", "bridge", "filter", "port", "pod"]


def test_a_bridge_that_only_bridges_needs_no_address(on_one_bridge):
    on_one_bridge.one.addresses = [each for each in on_one_bridge.one.addresses if each.dev != "cni0"]
    assert on_one_bridge.judge().ok
    assert on_one_bridge.suspected() == {Code.BRIDGE_ADDRESS_MISSING}
    on_one_bridge.one.links["cni0"].up = False
    assert on_one_bridge.verdict() == ("node1", "bridge", Code.BRIDGE_DOWN)


def test_a_pod_that_is_not_there(between_nodes):
    between_nodes.other.pods = [pod for pod in between_nodes.other.pods if pod.name != "default/a2"]
    assert between_nodes.verdict() == ("node2", "pod", Code.POD_MISSING)


def test_a_bridge_without_its_address_has_no_route(between_nodes):
    """The route's fault is the bridge's."""
    between_nodes.other.addresses = [each for each in between_nodes.other.addresses if each.dev != "cni0"]
    for each in between_nodes.other.lookups:
        if each.target == "10.244.2.2":
            each.route, each.error = None, "Network is unreachable"
    assert between_nodes.verdict() == ("node2", "bridge", Code.BRIDGE_ADDRESS_MISSING)
    assert Code.ROUTE_MISSING in {note.code for note in between_nodes.judge().notes}


def test_a_node_that_ignores_pings(to_a_node):
    to_a_node.other.sysctls["net/ipv4/icmp_echo_ignore_all"] = "1"
    assert to_a_node.judge().ok
    assert to_a_node.suspected() == {Code.NODE_ECHO_IGNORED}


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("net/ipv4/conf/eth0/arp_ignore", "8", Code.UNDERLAY_ARP_IGNORED),
        ("net/ipv4/conf/all/arp_ignore", "8", Code.UNDERLAY_ARP_IGNORED),
    ],
)
def test_a_peer_that_answers_no_arp(between_nodes, key, value, code):
    between_nodes.other.sysctls[key] = value
    assert code in {finding.code for hop in between_nodes.hops() for finding in [hop.finding] if finding}


def test_a_service_without_endpoints(between_nodes):
    between_nodes.target = Endpoint("service", "default/web", "10.96.0.50")
    between_nodes.pod("a1").lookups.append(replace(between_nodes.pod("a1").lookups[0], target="10.96.0.50"))
    hop = next(hop for hop in between_nodes.hops() if hop.step == "service")
    assert hop.finding.code == Code.SERVICE_NO_ENDPOINTS
    assert hop.finding.parameters == {"namespace": "default", "name": "web"}


def test_what_the_nodes_must_be_asked_about(between_nodes, to_a_node):
    for recorded, pairs in (
        (between_nodes, [("10.244.1.2", "10.244.2.2")]),
        (to_a_node, [("10.244.1.2", "10.77.0.12")]),
    ):
        assert round_trip.flows(recorded.source, recorded.target, recorded.states.values()) == pairs


def test_an_uninspected_peer_is_unknown_and_the_rest_is_told(between_nodes):
    del between_nodes.states["node2"]
    between_nodes.one.evidence = None
    trace = between_nodes.judge()
    assert trace.ok
    assert [str(hop.verdict) for hop in trace.paths[0].hops if hop.node == "node2"] == ["unknown"]
