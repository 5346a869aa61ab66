# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's end of a pod's veth pair, and the bridge: recorded states, altered."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import BridgeFdbEntry


def test_a_port_that_is_gone(between_nodes):
    del between_nodes.other.links[between_nodes.pod("a2").host]
    assert between_nodes.verdict() == ("node2", "port", Code.PORT_MISSING)


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("isolated", True, Code.PORT_ISOLATED),
        ("locked", True, Code.PORT_LOCKED),
        ("flood", False, Code.PORT_NO_FLOOD),
        ("bcast_flood", False, Code.PORT_NO_BROADCAST),
        ("neigh_suppress", True, Code.PORT_NEIGHBOR_SUPPRESSED),
        ("hairpin", False, Code.PORT_NO_HAIRPIN),
    ],
)
def test_settings_of_a_port_that_may_lose_packets(between_nodes, setting, value, code):
    between_nodes.other.links[between_nodes.pod("a2").host].port[setting] = value
    assert between_nodes.judge().ok
    assert between_nodes.suspected() == {code}


@pytest.mark.parametrize("state", ["learned", "static"])
def test_frames_for_the_pod_that_leave_by_another_port(between_nodes, state):
    pod, other = between_nodes.pod("a2"), between_nodes.pod("b2")
    between_nodes.other.bridge_fdb.append(BridgeFdbEntry("cni0", other.host, pod.mac, state))
    if state == "learned":
        assert between_nodes.suspected() == {Code.PORT_MAC_LEARNED_ELSEWHERE}
    else:
        assert between_nodes.verdict() == ("node2", "port", Code.PORT_FDB_ASTRAY)


def test_a_port_is_closed_while_the_bridge_is_down(between_nodes):
    between_nodes.other.links[between_nodes.pod("a2").host].port["state"] = "disabled"
    assert between_nodes.verdict() == ("node2", "port", Code.PORT_NOT_FORWARDING)
    between_nodes.other.links["cni0"].up = False
    assert between_nodes.verdict() == ("node2", "bridge", Code.BRIDGE_DOWN)


def test_a_bridge_that_is_gone(between_nodes):
    del between_nodes.other.links["cni0"]
    assert between_nodes.verdict() == ("node2", "bridge", Code.BRIDGE_MISSING)


def test_a_bridge_with_arp_off(between_nodes):
    between_nodes.one.links["cni0"].noarp = True
    assert between_nodes.verdict() == ("node1", "bridge", Code.BRIDGE_ARP_OFF)


def test_a_bridge_that_filters_vlans(between_nodes):
    between_nodes.one.links["cni0"].data["vlan_filtering"] = True
    assert between_nodes.suspected() == {Code.BRIDGE_VLAN_FILTERING}
