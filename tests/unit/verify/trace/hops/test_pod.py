# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod's end of a path: recorded states, altered. What tests/faults injects is not repeated here."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import NeighborState, RouteState
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.hops.node_view import NodeView
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.hops.pod import pod_gateways


def test_a_namespace_that_is_gone(between_nodes):
    between_nodes.pod("a2").error = "/run/netns/a2: No such file or directory"
    assert between_nodes.verdict() == ("node2", "pod", Code.POD_NETNS_GONE)


def test_an_interface_that_is_gone(between_nodes):
    between_nodes.pod("a2").link = None
    assert between_nodes.verdict() == ("node2", "pod", Code.POD_INTERFACE_MISSING)


def test_no_carrier_is_the_port_s_fault(between_nodes):
    pod = between_nodes.pod("a1")
    pod.link.operstate = "LOWERLAYERDOWN"
    between_nodes.one.links[pod.host].up = False
    assert between_nodes.verdict() == ("node1", "port", Code.PORT_DOWN)
    assert Code.POD_NO_CARRIER in {note.code for note in between_nodes.judge().notes}


def test_ipv6_that_is_off(between_nodes):
    pod = between_nodes.pod("a1")
    pod.prefixes.append("fd00:244:0:1::2/64")
    pod.addresses_found.append("fd00:244:0:1::2/64")
    pod.sysctls["net/ipv6/conf/eth0/disable_ipv6"] = "1"
    assert between_nodes.verdict() == ("node1", "pod", Code.POD_IPV6_DISABLED)


def test_an_interface_that_is_down_takes_its_routes_with_it(between_nodes):
    pod = between_nodes.pod("a1")
    pod.link.up = False
    for each in pod.lookups:
        each.route, each.error = None, "Network is unreachable"
    assert between_nodes.verdict() == ("node1", "pod", Code.POD_INTERFACE_DOWN)


def gateways(recorded) -> list:
    """The findings on the default routes of a1."""
    hops = pod_gateways(NodeView(recorded.one), recorded.pod("a1"))
    return [hop.finding.code for hop in hops if hop.finding]


def test_default_routes(between_nodes):
    pod = between_nodes.pod("a1")
    assert gateways(between_nodes) == []
    default = next(route for route in pod.routes if route.dst == "0.0.0.0/0")
    default.gateway = "10.244.1.3"
    assert gateways(between_nodes) == [Code.POD_DEFAULT_ROUTE_WRONG]
    pod.routes.remove(default)
    assert gateways(between_nodes) == [Code.POD_DEFAULT_ROUTE_MISSING]


def test_the_fix_of_a_second_default_route_is_its_removal(between_nodes):
    pod = between_nodes.pod("a1")
    odd = RouteState("0.0.0.0/0", 254, dev="net1", gateway="172.31.0.1")
    pod.routes.append(odd)
    for each in pod.lookups:
        each.route = replace(odd)
    assert between_nodes.verdict() == ("node1", "pod-route", Code.POD_ROUTE_WRONG)
    restore = between_nodes.judge().fault.hop.finding.parameters["restore"]
    assert "ip route delete 0.0.0.0/0 via 172.31.0.1 dev net1" in restore


@pytest.mark.parametrize(
    ("state", "mac", "code", "broken"),
    [
        ("permanent", "02:00:00:00:00:66", Code.NEIGHBOR_WRONG_MAC, True),
        ("reachable", "02:00:00:00:00:66", Code.NEIGHBOR_WRONG_MAC, False),
        ("failed", None, Code.NEIGHBOR_FAILED, False),
    ],
)
def test_neighbor_entries(between_nodes, state, mac, code, broken):
    """What ages is forgotten again: only what stays is broken."""
    between_nodes.pod("a1").neighbors = [NeighborState("eth0", "10.244.1.1", mac, state)]
    hop = next(hop for hop in between_nodes.hops() if hop.step == "pod-neighbor")
    assert [finding.code for finding in [hop.finding, *hop.suspected] if finding] == [code]
    assert (hop.verdict == "broken") == broken
