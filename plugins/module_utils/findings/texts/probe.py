# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Failed probes."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

TRACE = "ansible-playbook -i INVENTORY podnet.cluster.trace -e from={source} -e to={address}"

ENTRIES = {
    Code.PROBE_NO_ANSWER: Entry(
        "no answer from {subject} in {timeout} s",
        "The packet or its answer was dropped, or the target is too slow.",
        TRACE,
    ),
    Code.PROBE_REFUSED: Entry(
        "{subject} refused: the packet arrived, but nothing listens there",
        "The target's kernel answered with a TCP reset or ICMP port unreachable: the path works. The "
        "command is for the target's network namespace.",
        "ss --listening --numeric --processes",
    ),
    Code.PROBE_REFUSED_BY_ROUTER: Entry(
        "{subject} was refused by {reporter}, a router on the path",
        "ICMP port unreachable came from another address than the target's: a filter there rejects packets.",
        "nft list ruleset | grep reject",
    ),
    Code.PROBE_NO_ROUTE: Entry(
        "{source} has no route to {subject}",
        "The sender's own routing table, or a policy rule, has no route for the address. For a pod run the "
        "command in its network namespace.",
        "ip route get {address}",
    ),
    Code.PROBE_UNREACHABLE: Entry(
        "{subject} is unreachable from {source}: its neighbor entry does not resolve",
        "The sender asked for the next hop's MAC address (ARP, NDP) and got no answer.",
        TRACE,
    ),
    Code.PROBE_REPORTED: Entry(
        "{reporter} reports {subject}: {error}",
        "A router on the path has no route for the target, cannot resolve it, or rejects the packet (ICMP). The "
        "command is for that router.",
        "ip route get {address}",
    ),
    Code.PROBE_EXPIRED: Entry(
        "the TTL of a packet to {subject} expired at {reporter}",
        "Packets go round in a loop of routes, or a rule or setting lowers their TTL (hop limit).",
        TRACE,
    ),
    Code.PROBE_CLOSED: Entry(
        "{subject} closed the connection instead of answering",
        "The server, or a proxy in front of it, reset the connection.",
        "kubectl logs (of the server's pod), or journalctl (of its unit)",
    ),
    Code.PROBE_WRONG_ANSWER: Entry(
        "{subject} answered {answer}, expected one of {expected}",
        "Another server has the address or port: a stale DNAT rule, or a duplicate address.",
        TRACE,
    ),
    Code.PROBE_TOO_LARGE: Entry(
        "a packet of {size} bytes to {subject} must not be fragmented and exceeds the path MTU, {mtu}",
        "A link on the path has a smaller MTU than the sender's, and a router reported it.",
        TRACE,
    ),
    Code.PROBE_LARGE_LOST: Entry(
        "packets of {size} bytes to {subject} are lost, those of {small} bytes arrive: a link on the path has "
        "a smaller MTU than the sender",
        "A packet that is too large for a link is dropped without ICMP: the sender cannot adapt.",
        TRACE,
    ),
    Code.PROBE_FILTERED: Entry(
        "a packet filter at {source} drops packets to {subject}",
        "The kernel refused to send (EPERM): a rule at the output hook in the source's network namespace, or "
        "a cgroup's eBPF program.",
        "nft list ruleset",
    ),
    Code.PROBE_NETNS_GONE: Entry(
        "network namespace {netns} of {source} is gone, so nothing can be sent to {subject}",
        "The pod ended between the moment it was listed and the probe.",
        "ansible-playbook -i INVENTORY podnet.cluster.verify",
    ),
    Code.PROBE_ERROR: Entry(
        "packets from {source} to {subject} failed: {error}",
        "The kernel refused the packet for another reason.",
        TRACE,
    ),
}
