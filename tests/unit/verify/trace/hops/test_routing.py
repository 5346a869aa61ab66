# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's routing decision: recorded states, altered."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.podnet.cluster.plugins.module_utils.findings import render
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import Lookup, PolicyRule, RouteState


def refuse(recorded, error: str = "Invalid argument") -> None:
    """The kernel does not forward what node1's pod sends to a2, though it has a route."""
    for each in recorded.one.lookups:
        if each.target == "10.244.2.2" and each.iif:
            each.route, each.error = None, error


def back(recorded) -> Lookup:
    """node1's decision on packets to a1 itself."""
    return next(each for each in recorded.one.lookups if each.target == "10.244.1.2" and not each.iif)


def test_a_packet_that_is_refused_for_no_known_reason(between_nodes):
    refuse(between_nodes)
    assert between_nodes.verdict() == ("node1", "route", Code.ROUTE_REFUSED)


def test_forwarding_that_is_off_refuses_too(between_nodes):
    refuse(between_nodes, "No route to host")
    between_nodes.one.sysctls["net/ipv4/ip_forward"] = "0"
    assert between_nodes.verdict() == ("node1", "forwarding", Code.FORWARDING_OFF)


def test_a_policy_rule_is_the_likeliest_reason(between_nodes):
    refuse(between_nodes)
    between_nodes.one.rules = [PolicyRule(4, 100, 0, "prohibit", source="10.244.1.2/32")]
    assert between_nodes.verdict() == ("node1", "route", Code.RULE_FORBIDS)
    fix = render.fix(between_nodes.judge().fault.hop.finding)
    assert fix == "ip rule delete pref 100 from 10.244.1.2/32 prohibit"


def test_no_way_back(between_nodes):
    refuse(between_nodes)
    lookup = back(between_nodes)
    lookup.route, lookup.error = None, "Network is unreachable"
    assert between_nodes.verdict() == ("node1", "route", Code.RETURN_ROUTE_MISSING)
    wall = RouteState("10.244.1.0/25", 254, type="blackhole", protocol=4)
    between_nodes.one.foreign_routes = [wall]
    assert between_nodes.verdict() == ("node1", "route", Code.RETURN_ROUTE_FORBIDS)
    assert render.fix(between_nodes.judge().fault.hop.finding) == "ip route delete blackhole 10.244.1.0/25"


def test_a_strict_reverse_path_filter(between_nodes):
    refuse(between_nodes)
    between_nodes.one.sysctls["net/ipv4/conf/all/rp_filter"] = "1"
    back(between_nodes).route = RouteState("10.244.1.2/32", 254, dev="eth0", protocol=3)
    assert between_nodes.verdict() == ("node1", "rp_filter", Code.RP_FILTER_STRICT)
    between_nodes.one.sysctls["net/ipv4/conf/cni0/rp_filter"] = "2"  # loose: the larger of the two counts
    assert between_nodes.verdict() == ("node1", "route", Code.ROUTE_REFUSED)


def test_a_source_that_the_node_has_itself(between_nodes):
    refuse(between_nodes)
    back(between_nodes).route = RouteState("10.244.1.2/32", 255, dev="lo", protocol=2, type="local")
    between_nodes.one.addresses[0] = replace(between_nodes.one.addresses[0], dev="lo", address="10.244.1.2/32")
    assert between_nodes.verdict() == ("node1", "route", Code.SOURCE_IS_LOCAL)
    assert render.fix(between_nodes.judge().fault.hop.finding) == "ip address delete 10.244.1.2/32 dev lo"


def test_a_route_with_an_mtu_of_its_own(between_nodes):
    for each in between_nodes.one.lookups:
        if each.target == "10.244.2.2":
            each.route.mtu = 1300
    assert between_nodes.suspected() == {Code.ROUTE_MTU_TOO_SMALL}


def test_packets_that_a_rule_singles_out(between_nodes):
    plain = next(each for each in between_nodes.one.lookups if each.target == "10.244.2.2" and each.iif == "cni0")
    rule = PolicyRule(4, 100, 0, "unreachable", protocol="tcp")
    odd = replace(plain, route=None, error="No route to host", rule=rule)
    between_nodes.one.lookups.append(odd)
    assert between_nodes.suspected() == {Code.RULE_DIVERTS}
