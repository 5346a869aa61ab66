# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tunnel's device and entries: recorded states, altered."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import (
    NeighborState,
    WireguardPeerState,
    WireguardState,
)
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import DriftStep


def vtep(recorded) -> NeighborState:
    return next(each for each in recorded.one.neighbors if each.dst == "10.244.2.0")


def test_an_entry_that_is_forgotten_some_day(between_nodes):
    vtep(between_nodes).state = "reachable"
    assert between_nodes.verdict() == ("node1", "neighbor", Code.VTEP_NEIGHBOR_NOT_PERMANENT)


def test_an_entry_without_a_mac_is_what_waiting_packets_make(between_nodes):
    vtep(between_nodes).mac = None
    assert between_nodes.verdict() == ("node1", "neighbor", Code.VTEP_NEIGHBOR_MISSING)


def test_an_mtu_that_is_too_large(between_nodes):
    between_nodes.one.links["flannel.1"].mtu = 1500
    assert between_nodes.verdict() == ("node1", "device", Code.TUNNEL_MTU_TOO_LARGE)
    between_nodes.one.links["flannel.1"].mtu = 1300
    assert between_nodes.verdict() == ("node1", "device", Code.TUNNEL_ATTRIBUTE_WRONG)


def test_checksum_offload_that_has_drifted(between_nodes):
    step = DriftStep("offload", "change", "checksum offload of flannel.1", "set checksum offload of flannel.1 to on")
    between_nodes.one.drift = [step]
    assert between_nodes.verdict() == ("node1", "device", Code.TUNNEL_DRIFTED)


def test_a_device_that_is_recreated_takes_its_entries_with_it(between_nodes):
    between_nodes.one.fdb = []
    assert between_nodes.verdict() == ("node1", "fdb", Code.FDB_MISSING)
    between_nodes.one.links["flannel.1"].data["id"] = 2
    assert between_nodes.verdict() == ("node1", "device", Code.TUNNEL_ATTRIBUTE_WRONG)


def test_a_wireguard_peer_that_has_drifted(between_nodes):
    one = between_nodes.one
    key = "k" * 43 + "="
    one.overlay.peers[0] = replace(one.overlay.peers[0], lease=one.overlay.peers[0].lease._replace(public_key=key))
    peer = WireguardPeerState("flannel.1", key, "10.77.0.12:51820", ["10.244.2.0/24"])
    one.desired += [WireguardState("flannel.1", "own", 51820), peer]
    assert "wireguard" in {str(hop.step) for hop in between_nodes.hops()}
    one.drift = [DriftStep("peer", "add", f"flannel.1 {key}", f"add peer flannel.1 {key}", wanted=peer)]
    assert between_nodes.verdict() == ("node1", "wireguard", Code.WIREGUARD_DRIFTED)
