# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From node to node: leases, the tunnel on both sides, translation: recorded states, altered."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.prefix import parse_prefix
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import LinkState, RouteState
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import DriftStep
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.node_to_node import hides


def forget_peer(recorded) -> None:
    """node1 has no lease of node2."""
    recorded.one.overlay.peers = [peer for peer in recorded.one.overlay.peers if peer.lease.name != "node2"]
    recorded.one.desired = [
        thing for thing in recorded.one.desired if not isinstance(thing, RouteState) or thing.dst != "10.244.2.0/24"
    ]


def test_a_peer_that_is_not_known(between_nodes):
    forget_peer(between_nodes)
    assert between_nodes.verdict() == ("node1", "lease", Code.LEASE_MISSING)


def test_a_peer_that_is_refused(between_nodes):
    forget_peer(between_nodes)
    taken = {"key": "address", "value": "10.77.0.12", "other": "node3"}
    between_nodes.one.overlay.refused["node2"] = Finding(Code.LEASE_TAKEN, "node1", "node2", taken)
    assert between_nodes.verdict() == ("node1", "lease", Code.LEASE_TAKEN)


def test_an_overlay_that_is_invalid(between_nodes):
    forget_peer(between_nodes)
    between_nodes.one.overlay.error = "no interface has 10.77.0.11"
    assert between_nodes.verdict() == ("node1", "lease", Code.OVERLAY_INVALID)


def test_a_lease_that_the_peer_has_outgrown(between_nodes):
    own = between_nodes.other.overlay.lease
    between_nodes.other.overlay.lease = own._replace(vtep_mac="02:00:00:00:00:01")
    assert between_nodes.verdict() == ("node1", "lease", Code.LEASE_STALE)
    found = between_nodes.judge().fault.hop.finding
    assert found.parameters == {"attribute": "vtep_mac", "actual": own.vtep_mac, "expected": "02:00:00:00:00:01"}


def test_two_nodes_whose_tunnels_differ(between_nodes):
    for thing in between_nodes.other.desired:
        if isinstance(thing, LinkState) and thing.name == "flannel.1":
            thing.data["id"] = 2
    between_nodes.other.links["flannel.1"].data["id"] = 2
    assert between_nodes.verdict() == ("node2", "device", Code.TUNNEL_MISMATCH)


def test_rules_that_have_drifted(between_nodes):
    between_nodes.one.drift = [DriftStep("nftables", "change", "inet podnet", "add table inet podnet")]
    assert between_nodes.verdict() == ("node1", "nat", Code.NAT_DRIFTED)


def test_a_wire_knows_its_ends(between_nodes):
    wire = next(hop for hop in between_nodes.hops() if hop.step == "wire")
    assert (wire.node, wire.peer, wire.destination, wire.udp_port) == ("node1", "node2", "10.77.0.12", 8472)


def test_what_is_hidden(between_nodes):
    config = between_nodes.one.overlay.config
    assert not hides(config, "10.244.2.2") and hides(config, "192.0.2.1")
    assert not hides(config._replace(masquerade=False), "192.0.2.1")
    assert not hides(config._replace(not_masqueraded=(parse_prefix("192.0.2.0/24"),)), "192.0.2.1")
    assert not hides(None, "192.0.2.1")


def test_a_route_of_the_peer_s_is_compared_with_the_desired_one(between_nodes):
    for each in between_nodes.one.lookups:
        if each.target == "10.244.2.2":
            each.route = replace(each.route, dst="10.244.2.0/25", dev="eth0", gateway=None, protocol=3)
    assert between_nodes.verdict() == ("node1", "route", Code.ROUTE_SHADOWED)
