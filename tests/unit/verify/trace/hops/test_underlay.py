# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The underlay that leads to a peer: recorded states, altered."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import LinkState, NeighborState


def test_a_route_by_another_interface(between_nodes):
    for each in between_nodes.one.lookups:
        if each.target == "10.77.0.12" and each.route:
            each.route.dev = "eth1"
    assert between_nodes.suspected() == {Code.UNDERLAY_OTHER_DEVICE}


def test_an_mtu_too_small_for_a_full_tunnel_packet(between_nodes):
    between_nodes.one.links["eth0"].mtu = 1499
    assert between_nodes.verdict() == ("node1", "underlay", Code.UNDERLAY_MTU_TOO_SMALL)
    found = between_nodes.judge().fault.hop.finding
    assert found.parameters == {"mtu": 1499, "pod_mtu": 1450, "overhead": 50, "expected": 1500}


def peer_at(recorded, mac: str | None, state: str) -> None:
    recorded.one.neighbors = [each for each in recorded.one.neighbors if each.dst != "10.77.0.12"]
    recorded.one.neighbors.append(NeighborState("eth0", "10.77.0.12", mac, state))


def test_where_the_node_takes_its_peer_to_be(between_nodes):
    peer_at(between_nodes, between_nodes.other.links["eth0"].mac, "reachable")
    assert between_nodes.judge().ok and not between_nodes.suspected()
    peer_at(between_nodes, "02:00:00:00:00:55", "stale")
    assert between_nodes.suspected() == {Code.NEIGHBOR_WRONG_MAC}
    peer_at(between_nodes, "02:00:00:00:00:55", "permanent")
    assert between_nodes.verdict() == ("node1", "underlay", Code.NEIGHBOR_WRONG_MAC)
    peer_at(between_nodes, None, "failed")
    assert between_nodes.suspected() == {Code.NEIGHBOR_FAILED}


def test_a_router_s_mac_is_not_compared_with_the_peer_s(between_nodes):
    for each in between_nodes.one.lookups:
        if each.target == "10.77.0.12" and each.route:
            each.route.gateway = "10.77.0.1"
    between_nodes.one.neighbors.append(NeighborState("eth0", "10.77.0.1", "02:00:00:00:00:01", "reachable"))
    assert between_nodes.judge().ok and not between_nodes.suspected()


def test_an_underlay_that_is_not_known(between_nodes):
    between_nodes.one.overlay.underlay = None
    between_nodes.one.links["other"] = LinkState("other")
    hop = next(hop for hop in between_nodes.hops() if hop.step == "underlay")
    assert hop.verdict == "unknown"
