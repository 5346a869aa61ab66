# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe captures."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

ENTRIES = {
    Code.CHECKSUMS_WRONG: Entry(
        "{protocol} packets arrive at {subject} with wrong checksums: checksum offload is broken",
        "A device that promised to compute checksums does not.",
        "ethtool -K {subject} tx-checksum-ip-generic off",
    ),
    Code.RULE_DROP_TRACED: Entry(
        "chain {subject} has dropped {packets} of the trace's packets ({rule}), by the kernel's own account (nftrace)",
        "The trace marks its packets, and the kernel reports each rule that decides on one.",
        "nft -a list chain {subject}",
    ),
    Code.PACKETS_LOST: Entry(
        "{packets} packets were seen at {last} and never at {subject}",
        "What drops them between the two was not found in the node's state.",
        "nft list ruleset; tc filter show; ip rule; sysctl -a",
    ),
    Code.PACKETS_UNSEEN: Entry(
        "no {packets} packets were seen at {subject}",
        "The sender's kernel did not send them, or did so by another interface.",
        "nft list ruleset; tc filter show; ip rule; sysctl -a",
    ),
    Code.PACKETS_UNANSWERED: Entry(
        "{packets} packets left by {subject} and no answer came",
        "They are lost further on, or their answers are. Inspect the next node.",
        "podnetctl inspect",
    ),
    Code.PACKETS_IGNORED: Entry(
        "{packets} packets arrived at {subject} and none was answered",
        "The receiver's kernel dropped them, or had no way back.",
        "nft list ruleset; tc filter show; ip rule; sysctl -a",
    ),
    Code.PACKETS_EXPIRED: Entry(
        "{packets} packets were seen at {last} and never at {subject}: their TTL expired at {router}",
        "Their TTL (hop limit) reached zero: a loop, or a rule or setting that lowers it.",
        "nft list ruleset | grep -E 'ttl|hoplimit'; ip route",
    ),
    Code.PACKETS_ANSWERED_BY_OTHER: Entry(
        "{packets} packets were seen at {last} and never at {subject}; another host answered for the target",
        "A filter that rejects with a TCP reset, or a proxy, answers in the target's name.",
        "nft list ruleset | grep -E 'reject|tproxy|dnat'",
    ),
    Code.TRACE_UNEXPLAINED: Entry(
        "packets from {source} to {subject} are lost, and every inspected hop is as desired",
        "What loses them is on a node or device that was not inspected, or of a kind that the trace does not read.",
        "tcpdump -ni any host {address} (on each node of the path); nft list ruleset; tc filter show",
    ),
    Code.TRACE_WINDOW_MISSED: Entry(
        "{subject} missed the probe window (busy node or clock skew), so its packets are unknown",
        "A node watches for packets for a few seconds around the time that the source's node sends them.",
        "chronyc tracking; ansible-playbook -i INVENTORY podnet.cluster.trace -e from=SOURCE -e to=TARGET",
    ),
}
