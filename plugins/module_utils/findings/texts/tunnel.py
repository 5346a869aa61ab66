# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tunnel device, VTEP entries."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

ENTRIES = {
    Code.TUNNEL_MISSING: Entry(
        "{subject} is missing, so {node} has no tunnel to any peer",
        "The device was deleted.",
        "podnetctl apply",
    ),
    Code.TUNNEL_DOWN: Entry(
        "{subject} is down, so {node} has no tunnel to any peer",
        "The device was set down; its routes went with it.",
        "ip link set {subject} up; podnetctl apply",
    ),
    Code.TUNNEL_PORT_TAKEN: Entry(
        "{holder} has the UDP port of {subject}, so the device cannot be set up",
        "Another program listens on the tunnel's UDP port on this node.",
        "end {holder}; podnetctl apply",
    ),
    Code.TUNNEL_BRIDGED: Entry(
        "{subject} is a bridge port of {master}, so {master} consumes its traffic",
        "A port's frames go to its bridge, not to the IP layer.",
        "ip link set {subject} nomaster",
    ),
    Code.TUNNEL_IPV6_DISABLED: Entry(
        "{key} is 1, so {subject} has no IPv6 address",
        "Disabling IPv6 removes the device's IPv6 address, the next hop of the peers.",
        "sysctl -w {key}=0; podnetctl apply",
    ),
    Code.TUNNEL_ATTRIBUTE_WRONG: Entry(
        "{subject} has {attribute} {actual}, expected {expected}",
        "The device was changed or made by another program; podnetctl recreates it where the kernel cannot change it.",
        "podnetctl apply",
    ),
    Code.TUNNEL_MTU_TOO_LARGE: Entry(
        "{subject} has MTU {actual}, expected {expected}: large packets do not fit the underlay",
        "With the tunnel's header such packets are larger than the underlay's MTU.",
        "podnetctl apply",
    ),
    Code.TUNNEL_DRIFTED: Entry(
        "{subject} has drifted (pending: {pending})",
        "The device differs from what podnetd configures: its address, or its checksum offload.",
        "podnetctl apply",
    ),
    Code.TUNNEL_MISMATCH: Entry(
        "{subject} of {node} has {attribute} {actual}, that of {peer} has {expected}, so no packets pass between them",
        "The nodes were configured with different overlay_backend settings.",
        "set one overlay_backend for all nodes; ansible-playbook -i INVENTORY podnet.cluster.site",
    ),
    Code.TUNNEL_CHECKSUMS_WRONG: Entry(
        "{protocol} packets sent by {subject} arrive with wrong checksums: its checksum offload is broken",
        "The network card's driver does not compute the checksums inside tunnel packets.",
        "set overlay_backend.checksum_offload to false; ansible-playbook -i INVENTORY podnet.cluster.site",
    ),
    Code.VTEP_NEIGHBOR_MISSING: Entry(
        "neighbor entry for {subject} (VTEP of {peer}) on {device} is missing, so pods of {peer} are unreachable from "
        "{node}",
        "The permanent entry that podnetd adds was removed.",
        "podnetctl apply",
    ),
    Code.VTEP_NEIGHBOR_WRONG_MAC: Entry(
        "neighbor entry for {subject} on {device} has MAC address {mac}, expected {expected} (VTEP of {peer})",
        "The entry was replaced, or the peer's VTEP has another MAC address since.",
        "podnetctl apply",
    ),
    Code.VTEP_NEIGHBOR_NOT_PERMANENT: Entry(
        "neighbor entry for {subject} on {device} is {state}, expected permanent",
        "An entry that ages is forgotten, and a VTEP answers no ARP.",
        "podnetctl apply",
    ),
    Code.FDB_MISSING: Entry(
        "FDB entry for {subject} (VTEP of {peer}) on {device} is missing, so pods of {peer} are unreachable from "
        "{node}",
        "The permanent entry that podnetd adds was removed.",
        "podnetctl apply",
    ),
    Code.FDB_WRONG_PEER: Entry(
        "FDB entry for {subject} on {device} leads to {actual}, expected {expected} ({peer})",
        "The entry was replaced, or the peer's address has changed since.",
        "podnetctl apply",
    ),
    Code.WIREGUARD_DRIFTED: Entry(
        "WireGuard peer {subject} on {device} has drifted (pending: {pending})",
        "The peer, its endpoint, its allowed IPs or the node's own key were changed.",
        "podnetctl apply",
    ),
}
