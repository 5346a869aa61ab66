# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The underlay, and the overlay's configuration."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

_LOOK = "ping {address}; ip route get {address}; tcpdump -ni any host {address} (on {peer})"

ENTRIES = {
    Code.OVERLAY_INVALID: Entry(
        "overlay of {subject} is invalid: {error}",
        "The configuration or the leases of the node contradict its interfaces.",
        "correct that in the inventory; ansible-playbook -i INVENTORY podnet.cluster.site",
    ),
    Code.UNDERLAY_DOWN: Entry(
        "{subject}, the underlay interface of {node}, is down",
        "The interface was set down.",
        "ip link set {subject} up",
    ),
    Code.UNDERLAY_NO_CARRIER: Entry(
        "{subject}, the underlay interface of {node}, has no carrier",
        "The cable, the switch port, or the host's end of a virtual interface is down.",
        "ip link show {subject}",
    ),
    Code.UNDERLAY_ARP_OFF: Entry(
        "{subject} of {node} has ARP off, so no peer learns its MAC address",
        "A link with NOARP neither asks nor answers.",
        "ip link set {subject} arp on",
    ),
    Code.UNDERLAY_ARP_IGNORED: Entry(
        "{key} is 8, so {node} does not answer ARP requests on {subject}",
        "arp_ignore 8 answers for no local address.",
        "sysctl -w {key}=0",
    ),
    Code.UNDERLAY_ROUTE_MISSING: Entry(
        "no route to peer {subject} on the underlay ({error})",
        "The underlay's route was removed, or a blackhole route covers the peer.",
        "ip route get {subject}",
    ),
    Code.UNDERLAY_ROUTE_INTO_POD_NETWORK: Entry(
        "packets to peer {subject} take the route {route}, into the pod network itself",
        "A tunnel's own packets must not enter the tunnel.",
        "ip route delete {route}",
    ),
    Code.UNDERLAY_OTHER_DEVICE: Entry(
        "packets to peer {subject} leave by {device}, the tunnel is bound to {expected}",
        "A route to the peer leads by another interface.",
        "ip route get {subject}",
    ),
    Code.UNDERLAY_PEER_ADDRESS_LOCAL: Entry(
        "{subject} is an address of {node}, too ({route}), so nothing is sent to the peer",
        "The peer's address was added to this node by mistake.",
        "{remove}",
    ),
    Code.UNDERLAY_MTU_TOO_SMALL: Entry(
        "{subject} has MTU {mtu}: a pod's packet of {pod_mtu} bytes and {overhead} bytes of the tunnel do not fit",
        "The underlay's MTU was lowered, or overlay_backend.mtu is too large for it: lower that where the "
        "underlay cannot carry more.",
        "ip link set {subject} mtu {expected}",
    ),
    Code.WIRE_SILENT: Entry(
        "{subject} is lost on the wire to {peer}, and {peer} answers nothing on the underlay",
        "Cable, switch, routes or firewalls between the nodes.",
        _LOOK,
    ),
    Code.WIRE_BLOCKED: Entry(
        "{subject} is lost on the wire to {peer}, though {peer} answers other packets on the underlay",
        "A firewall, a security group or a packet filter between the nodes drops the tunnel's packets.",
        "nft list ruleset (on {node} and {peer}); tcpdump -ni any host {address} (on routers between them)",
    ),
    Code.WIRE_MTU_TOO_SMALL: Entry(
        "{subject} is lost on the wire to {peer} when large: the underlay passes {passed} bytes, its MTU is "
        "smaller than that of {node}",
        "A link between the nodes has a smaller MTU, and no ICMP message says so.",
        "raise the MTU of the links between the nodes, or set overlay_backend.mtu to {mtu}; "
        "ansible-playbook -i INVENTORY podnet.cluster.site",
    ),
    Code.WIRE_LOST: Entry(
        "{subject} is lost on the wire to {peer}",
        "Nothing else was sent between the nodes that could show more.",
        _LOOK,
    ),
}
