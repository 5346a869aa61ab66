# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pods' bridge with its gateway address."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

ENTRIES = {
    Code.BRIDGE_MISSING: Entry(
        "{node} has no bridge {subject}, so its pods are cut off",
        "The bridge was deleted; the next CNI ADD makes a new one, which has no ports of older pods. Their "
        "controllers recreate them.",
        "kubectl delete pods --field-selector spec.nodeName={node} --all-namespaces",
    ),
    Code.BRIDGE_DOWN: Entry(
        "{subject} is down, so all pods of {node} are cut off",
        "The bridge was set down.",
        "ip link set {subject} up",
    ),
    Code.BRIDGE_ADDRESS_MISSING: Entry(
        "{subject} does not have {address}, its pods' gateway (it has {actual})",
        "Without the address, or with another prefix length, the pods' gateway does not answer and its route is "
        "missing.",
        "ip address add {address} dev {subject}",
    ),
    Code.BRIDGE_IPV6_DISABLED: Entry(
        "{key} is 1, so {subject} has no IPv6 address",
        "Disabling IPv6 removes the bridge's IPv6 addresses.",
        "sysctl -w {key}=0; podnetctl apply",
    ),
    Code.BRIDGE_ARP_OFF: Entry(
        "{subject} has ARP off, so no pod learns its gateway's MAC address",
        "A link with NOARP neither asks nor answers.",
        "ip link set {subject} arp on",
    ),
    Code.BRIDGE_ARP_IGNORED: Entry(
        "{key} is 8, so {subject} does not answer pods that ask for their gateway's MAC address",
        "arp_ignore 8 answers for no local address.",
        "sysctl -w {key}=0",
    ),
    Code.BRIDGE_MTU_TOO_SMALL: Entry(
        "{subject} has MTU {mtu}, its ports have {port_mtu}: pods' large packets are fragmented or dropped",
        "The bridge's MTU was lowered, or a port with a small MTU lowered it.",
        "ip link set {subject} mtu {port_mtu}",
    ),
    Code.BRIDGE_OWN_MAC_MISSING: Entry(
        "{subject} has no FDB entry for its own MAC address {mac}, so it may not accept frames for the gateway",
        "A bridge delivers frames to the node only for MAC addresses that it knows as its own.",
        "bridge fdb add {mac} dev {subject} self permanent",
    ),
    Code.BRIDGE_VLAN_FILTERING: Entry(
        "{subject} filters VLANs, so ports of different VLANs do not reach each other",
        "VLAN filtering was switched on for a bridge whose ports the pod network does not assign to VLANs.",
        "ip link set {subject} type bridge vlan_filtering 0",
    ),
}
