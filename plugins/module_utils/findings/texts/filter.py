# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packet filters, qdiscs, IPsec."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

ENTRIES = {
    Code.CHAIN_DROPS: Entry(
        "chain {subject} ({hook}) of {place} has rules that drop",
        "A rule of the chain, or of one that it jumps to, drops, rejects or queues packets. The chain must accept "
        "the pod network.",
        "{command}",
    ),
    Code.CHAIN_POLICY_DROP: Entry(
        "chain {subject} ({hook}) of {place} has the policy drop",
        "Docker and host firewalls set it: whatever no rule accepts is dropped, pods' forwarded packets as well. "
        "A rule that accepts the pod network does, too.",
        "{command}",
    ),
    Code.PACKET_DROPPED: Entry(
        "chain {subject} ({hook}) of {place} loses {packets} to {target} (verdict {verdict}), by {rule}",
        "The node has evaluated its rules for this very packet: the first rule, or the chain's policy, that ends its "
        "path.",
        "{command}",
    ),
    Code.CHAIN_TRANSLATES: Entry(
        "chain {subject} ({hook}) of {place} has rules that translate addresses",
        "A rule replaces a packet's source or destination address. It must except the pod network.",
        "{command}",
    ),
    Code.CHAIN_REWRITES: Entry(
        "chain {subject} ({hook}) of {place} has rules that rewrite packets",
        "A rule sets a header field, such as the TTL. It must except the pod network.",
        "{command}",
    ),
    Code.CHAIN_OF_KUBERNETES_DROPS: Entry(
        "chain {subject} ({hook}) of {place} drops what Kubernetes marks, or conntrack counts as invalid",
        "Rules of kube-proxy and the kubelet drop packets that connection tracking does not know (notrack, "
        "asymmetric paths).",
        "{command}; nft list ruleset | grep -E 'notrack|invalid'",
    ),
    Code.QDISC_CLASSIFIERS: Entry(
        "{subject} of {place} has classifiers ({kind})",
        "tc filters and their actions drop, redirect or rewrite packets; `tc -s filter show` lists them.",
        "{enter}tc qdisc delete dev {subject} {kind}",
    ),
    Code.QDISC_UNUSUAL: Entry(
        "{subject} of {place} has the queue {kind}",
        "A queueing discipline that limits, delays or loses packets on purpose.",
        "{enter}tc qdisc delete dev {subject} root",
    ),
    Code.XFRM_POLICY_BLOCKS: Entry(
        "IPsec policy {subject} blocks packets",
        "The policy's action is block.",
        "ip xfrm policy delete {subject}",
    ),
    Code.XFRM_POLICY_TRANSFORMS: Entry(
        "IPsec policy {subject} encrypts packets",
        "Packets that the policy selects leave encrypted, or not at all without a security association.",
        "ip xfrm policy delete {subject}",
    ),
    Code.CONNTRACK_FULL: Entry(
        "{subject} is reached ({count} of {max} connections): new connections' packets are dropped",
        "The connection tracking table is full. Its list shows which program opens so many.",
        "sysctl -w {subject}={more}; conntrack -L",
    ),
    Code.NODE_ECHO_IGNORED: Entry(
        "{subject} is 1, so {node} answers no ping",
        "The kernel ignores echo requests; TCP and UDP are not affected.",
        "sysctl -w {subject}=0",
    ),
}
