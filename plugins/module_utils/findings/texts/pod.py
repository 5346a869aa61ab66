# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pods and their interfaces."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

ENTRIES = {
    Code.POD_NETNS_GONE: Entry(
        "network namespace of pod {subject} is gone ({error}), so the pod has no network",
        "The runtime's namespace was unmounted or deleted while the pod's sandbox still counts as running.",
        "{recreate}",
    ),
    Code.POD_MISSING: Entry(
        "{node} has no pod with address {subject}, so nothing receives its packets",
        "The pod has ended, or runs on another node than its address says.",
        "kubectl get pods --all-namespaces -o wide --field-selector spec.nodeName={node}",
    ),
    Code.POD_INTERFACE_MISSING: Entry(
        "pod {subject} has no interface {interface}, so it has no network",
        "The pod's end of its veth pair was deleted, or renamed, in the pod's namespace.",
        "{recreate}",
    ),
    Code.POD_INTERFACE_DOWN: Entry(
        "{interface} of pod {subject} is down, so the pod neither sends nor receives",
        "The interface was set down in the pod's namespace; its routes went with it.",
        "{enter}ip link set {interface} up",
    ),
    Code.POD_NO_CARRIER: Entry(
        "{interface} of pod {subject} has no carrier, because the node's end {port} is down",
        "A veth pair has carrier while both its ends are up.",
        "ip link set {port} up",
    ),
    Code.POD_ADDRESS_MISSING: Entry(
        "pod {subject} does not have its address {address} (it has {actual}), so it drops what is sent there",
        "The address that IPAM gave the pod was removed from its interface, or has another prefix length.",
        "{enter}ip address add {address} dev {interface} (or {recreate})",
    ),
    Code.POD_MAC_CHANGED: Entry(
        "{interface} of pod {subject} has MAC address {mac}, the CNI plugin set {expected}",
        "Neighbor and FDB entries made for the former MAC address lead frames to an interface that ignores them.",
        "{enter}ip link set {interface} address {expected} (or {recreate})",
    ),
    Code.POD_MTU_TOO_LARGE: Entry(
        "{interface} of pod {subject} has MTU {mtu}, the pod network carries {expected}: large packets are lost",
        "The MTU was raised in the pod, or the pod network's became smaller after the pod was made.",
        "{enter}ip link set {interface} mtu {expected} (or {recreate})",
    ),
    Code.POD_ARP_OFF: Entry(
        "{interface} of pod {subject} has ARP off, so no peer learns its MAC address",
        "An interface with NOARP neither asks nor answers.",
        "{enter}ip link set {interface} arp on",
    ),
    Code.POD_ARP_IGNORED: Entry(
        "{key} is {value} in pod {subject}, so it answers no ARP request",
        "arp_ignore 8 answers for no local address.",
        "{enter}sysctl -w {key}=0",
    ),
    Code.POD_ECHO_IGNORED: Entry(
        "{key} is 1 in pod {subject}, so it answers no ping",
        "The pod's kernel ignores echo requests; TCP and UDP are not affected.",
        "{enter}sysctl -w {key}=0",
    ),
    Code.POD_TTL_TOO_LOW: Entry(
        "{key} is {value} in pod {subject}: its packets expire after that many hops",
        "Each router on a path takes one from a packet's TTL (hop limit) and drops it at zero.",
        "{enter}sysctl -w {key}=64",
    ),
    Code.POD_IPV6_DISABLED: Entry(
        "{key} is 1 in pod {subject}, so it has no IPv6",
        "Disabling IPv6 removes the interface's IPv6 addresses and routes.",
        "{enter}sysctl -w {key}=0; {recreate}",
    ),
    Code.POD_ROUTE_MISSING: Entry(
        "pod {subject} has no route to {destination} ({error})",
        "The routes that the CNI plugin added were removed, or went when the interface was down.",
        "{restore}",
    ),
    Code.POD_ROUTE_WRONG: Entry(
        "pod {subject} reaches {destination} by {route}, expected {expected}",
        "A route was added in the pod that wins against those of the CNI plugin, or replaced them.",
        "{restore}",
    ),
    Code.POD_ROUTE_FORBIDS: Entry(
        "route {route} in pod {subject} forbids packets to {destination}",
        "An unreachable, blackhole, prohibit or throw route in the pod covers the destination.",
        "{remove}",
    ),
    Code.POD_RULE_FORBIDS: Entry(
        "policy routing rule {rule} in pod {subject} blackholes packets to {destination}",
        "The rule rejects the packets itself, or selects a table without a route to them.",
        "{remove}",
    ),
    Code.POD_RULE_FOREIGN: Entry(
        "pod {subject} has the policy routing rule {rule}, which may lead its packets elsewhere",
        "The rule was added in the pod; only the kernel's own rules are expected there.",
        "{remove}",
    ),
    Code.POD_DEFAULT_ROUTE_MISSING: Entry(
        "pod {subject} has no default route, expected via {gateway}",
        "The default route that the CNI plugin added was removed.",
        "{restore}",
    ),
    Code.POD_DEFAULT_ROUTE_WRONG: Entry(
        "default route of pod {subject} is {route}, expected via {gateway}",
        "Another default route was added in the pod, or the gateway was replaced.",
        "{restore}",
    ),
}
