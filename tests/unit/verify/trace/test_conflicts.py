# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that two claim, and addresses that were translated: recorded evidence, altered."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.evidence import OuterHeader
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.hop import NODE, CapturePoint


def claim(evidence, address: str) -> None:
    """Another host answers for the address, too."""
    answer = next(each for each in evidence.arp if each.address == address and each.asked_by == NODE)
    answer.macs.append("02:00:00:00:00:99")


def test_two_hosts_with_a_node_s_address(between_nodes):
    claim(between_nodes.one.evidence, "10.77.0.12")
    assert between_nodes.verdict() == ("node1", "underlay", Code.ADDRESS_ON_TWO_NODES)
    assert "02:00:00:00:00:99" in between_nodes.judge().fault.hop.finding.parameters["macs"]


def test_two_pods_with_one_address(between_nodes, on_one_bridge):
    claim(between_nodes.other.evidence, "10.244.2.2")
    assert between_nodes.verdict() == ("node2", "deliver", Code.ADDRESS_ON_TWO_PODS)
    claim(on_one_bridge.one.evidence, "10.244.1.3")
    assert on_one_bridge.verdict() == ("node1", "pod-neighbor", Code.ADDRESS_ON_TWO_PODS)


def test_what_pods_hear_of_their_gateway_is_another_question(between_nodes):
    answer = next(each for each in between_nodes.other.evidence.arp if each.asked_by == "default/a2")
    answer.macs.append("02:00:00:00:00:99")
    assert between_nodes.judge().ok


@pytest.mark.parametrize("odd", [{"port": 4789}, {"destination": "10.77.0.13"}])
def test_tunnel_packets_that_a_rule_diverts(between_nodes, odd):
    out = CapturePoint(NODE, "eth0", "out")
    for each in between_nodes.one.evidence.captures:
        if each.point == out:
            outer = OuterHeader(*each.packet.outer)._replace(**odd)
            each.packet = each.packet._replace(outer=outer)
    assert between_nodes.judge().ok  # it arrives all the same
    between_nodes.lose("node2", CapturePoint(NODE, "eth0", "in"))
    assert between_nodes.verdict() == ("node1", "filter", Code.NAT_TUNNEL_DIVERTED)


def test_a_pod_hidden_from_another_pod(between_nodes):
    between_nodes.one.evidence.snat_to = "10.77.0.11"
    assert between_nodes.verdict() == ("node1", "nat", Code.NAT_POD_SOURCE_HIDDEN)


def test_a_pod_hidden_at_the_receiver_s_node(between_nodes):
    between_nodes.other.evidence.snat_to = "10.244.2.1"
    assert between_nodes.verdict() == ("node2", "filter", Code.NAT_POD_SOURCE_HIDDEN)


def test_a_destination_that_is_diverted(between_nodes):
    between_nodes.one.evidence.dnat_to = "10.244.2.3"
    assert between_nodes.verdict() == ("node1", "nat", Code.NAT_DESTINATION_DIVERTED)


def test_to_a_node_the_node_s_own_address_is_right_and_any_other_is_not(to_a_node):
    to_a_node.one.evidence.snat_to = "10.77.0.11"
    assert to_a_node.judge().ok
    to_a_node.lose("node2", CapturePoint(NODE, "eth0", "in"))
    assert to_a_node.verdict()[2] == Code.WIRE_BLOCKED
    to_a_node.one.evidence.snat_to = "192.0.2.9"
    assert to_a_node.verdict() == ("node1", "nat", Code.NAT_SOURCE_NOT_OF_NODE)
