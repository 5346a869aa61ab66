# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Neighbor entries and duplicate addresses."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

ENTRIES = {
    Code.NEIGHBOR_FAILED: Entry(
        "{subject} does not answer ARP or NDP on {device} of {place}",
        "The kernel's last requests for the MAC address were not answered, so packets to it wait or are dropped. "
        "Its owner is down or on another segment.",
        "ip route get {subject}; {remove}",
    ),
    Code.NEIGHBOR_WRONG_MAC: Entry(
        "neighbor entry for {subject} on {device} of {place} has MAC address {mac}, expected {expected} ({owner})",
        "A permanent entry was added by hand, or another host answers ARP or NDP for the address.",
        "{remove}",
    ),
    Code.NEIGHBOR_UNRESOLVED: Entry(
        "{place} does not learn the MAC address of {subject} on {device}: ARP or NDP requests are not answered",
        "Until the neighbor is resolved, packets to it do not even appear on the link. Its owner is down, "
        "or a filter (families arp and bridge, icmpv6 at input and output) drops the requests.",
        "ip route get {subject}; nft list ruleset",
    ),
    Code.NEIGHBOR_REPLY_UNHEARD: Entry(
        "{place} does not learn the MAC address of {subject} on {device}, though {mac} answers for it",
        "The kernel sends no requests (mcast_solicit 0), or a filter (family arp) drops them or the replies.",
        "sysctl -a | grep neigh.{device}.mcast_solicit; nft list ruleset",
    ),
    Code.ADDRESS_ON_TWO_NODES: Entry(
        "{subject} is claimed by {macs}: two hosts have the address",
        "Replies go to whichever host answered ARP last. Remove the address from the host that is not the node.",
        "arping -D -I {device} {subject}",
    ),
    Code.ADDRESS_ON_TWO_PODS: Entry(
        "{subject} is claimed by {macs}: two pods have the address",
        "Frames go to whichever pod answered ARP last; one of them did not get the address from IPAM.",
        "bridge fdb show br {device}; delete the pod that IPAM did not give {subject}",
    ),
}
