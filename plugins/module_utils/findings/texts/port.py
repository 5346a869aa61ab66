# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bridge ports of the pods."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

ENTRIES = {
    Code.PORT_MISSING: Entry(
        "{subject}, the node's end of the veth pair of pod {pod}, is missing",
        "The link was deleted, or moved to another network namespace.",
        "{recreate}",
    ),
    Code.PORT_DOWN: Entry(
        "{subject} is down, so pod {pod} is cut off",
        "The node's end of the pod's veth pair was set down.",
        "ip link set {subject} up",
    ),
    Code.PORT_DETACHED: Entry(
        "{subject} is not a port of any bridge, expected {bridge}",
        "The port was detached, or the bridge was deleted and recreated.",
        "ip link set {subject} master {bridge}",
    ),
    Code.PORT_OF_OTHER_BRIDGE: Entry(
        "{subject} is a port of {master}, expected {bridge}",
        "The port was moved to a bridge that does not lead to the pods' gateway.",
        "ip link set {subject} master {bridge}",
    ),
    Code.PORT_NOT_FORWARDING: Entry(
        "{subject} is a {state} port of {bridge}, so the bridge drops its frames",
        "The spanning tree, or a state set by hand, keeps the port closed; or one of its ends, or the bridge, is down.",
        "bridge link set dev {subject} state 3",
    ),
    Code.PORT_MTU_MISMATCH: Entry(
        "{subject} has MTU {mtu}, the pod's end of the veth pair {pod_mtu}: packets larger than the smaller one "
        "are dropped",
        "The MTU of one end was changed. Both need the same.",
        "ip link set {subject} mtu {expected} (or {recreate})",
    ),
    Code.PORT_ISOLATED: Entry(
        "{subject} is isolated from other isolated ports of {bridge}",
        "Frames between two isolated ports are dropped.",
        "bridge link set dev {subject} isolated off",
    ),
    Code.PORT_LOCKED: Entry(
        "{subject} is locked: {bridge} accepts frames only from MAC addresses in its FDB",
        "A locked port learns nothing (802.1X).",
        "bridge link set dev {subject} locked off",
    ),
    Code.PORT_NO_FLOOD: Entry(
        "{subject} receives no frames for MAC addresses that {bridge} has not learned",
        "With flooding off, a pod is reached only while the bridge has an FDB entry for it.",
        "bridge link set dev {subject} flood on",
    ),
    Code.PORT_NO_BROADCAST: Entry(
        "{subject} receives no broadcasts from {bridge}, so the pod hears no ARP request",
        "Broadcast flooding is off on the port.",
        "bridge link set dev {subject} bcast_flood on",
    ),
    Code.PORT_NEIGHBOR_SUPPRESSED: Entry(
        "{subject} receives no ARP or NDP requests that {bridge} answers itself",
        "With neighbor suppression the bridge replies from its own entries, which may be stale.",
        "bridge link set dev {subject} neigh_suppress off",
    ),
    Code.PORT_NO_HAIRPIN: Entry(
        "{subject} is not in hairpin mode, so the pod does not receive what it sends to its own Service",
        "A bridge sends no frame back out of the port that it came in by, unless the port is in hairpin mode.",
        "bridge link set dev {subject} hairpin on",
    ),
    Code.PORT_FDB_ASTRAY: Entry(
        "{bridge} sends frames for {mac} to {port} ({state}), expected {subject}",
        "A static FDB entry of the bridge leads the pod's frames to another port.",
        "bridge fdb delete {mac} dev {port} master",
    ),
    Code.PORT_MAC_LEARNED_ELSEWHERE: Entry(
        "{bridge} has learned {mac} on {port}, expected {subject}: another interface may have the same MAC address",
        "The bridge saw a frame with the pod's MAC address come in by another port.",
        "bridge fdb delete {mac} dev {port} master",
    ),
}
