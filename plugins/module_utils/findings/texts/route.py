# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes, policy routing rules, forwarding."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

ENTRIES = {
    Code.FORWARDING_OFF: Entry(
        "{subject} is 0, so {node} forwards no packets that come in by {device}",
        "Another program, or a sysctl file, switched forwarding off.",
        "sysctl -w {subject}=1 (or podnetctl apply)",
    ),
    Code.ROUTE_MISSING: Entry(
        "no route to {subject} ({error})",
        "The route that podnetd adds, or the one of an interface, was removed.",
        "{restore}",
    ),
    Code.ROUTE_WRONG: Entry(
        "packets to {subject} take the route {route} ({origin}), expected {expected}",
        "The expected route is missing or has been replaced, so a wider one or a changed one takes its place.",
        "{restore}",
    ),
    Code.ROUTE_SHADOWED: Entry(
        "route {route} ({origin}) takes packets to {subject} away from {expected}",
        "A more specific route, one with a lower metric, or a policy routing rule wins against the pod network's "
        "route.",
        "{remove}",
    ),
    Code.ROUTE_FORBIDS: Entry(
        "no route to {subject}, but {route} ({origin}), which forbids it",
        "An unreachable, blackhole, prohibit or throw route covers the destination.",
        "{remove}",
    ),
    Code.ROUTE_REFUSED: Entry(
        "kernel refuses to forward from {device} to {subject} ({error})",
        "A route exists, but the kernel rejects the packet: its source, or the interface that it comes in by.",
        "ip route get {subject} from {source} iif {device}",
    ),
    Code.ROUTE_MTU_TOO_SMALL: Entry(
        "route {route} has MTU {mtu}: larger packets to {subject} are dropped unless the sender learns of it",
        "A route with an MTU of its own lowers that of its link.",
        "{remove}",
    ),
    Code.RULE_FORBIDS: Entry(
        "no route to {subject} ({error}); policy routing rules decide: {rules}",
        "A policy routing rule that is not the kernel's own rejects the packets or selects another table, or one "
        "of the kernel's is missing.",
        "{remove}",
    ),
    Code.RULE_DIVERTS: Entry(
        "packets to {subject} with {packet} take another route, {route}, by the policy routing rule {rule}",
        "The rule selects by mark, protocol or port, so pings may pass while other packets are lost.",
        "{remove}",
    ),
    Code.SOURCE_IS_LOCAL: Entry(
        "{subject} is an address of {node} itself ({route}), so packets from it are dropped",
        "A kernel drops packets that come in with one of its own addresses as their source.",
        "{remove}",
    ),
    Code.RETURN_ROUTE_MISSING: Entry(
        "no route back to {subject}, so the kernel drops packets from it as martians",
        "A packet whose source cannot be reached is not forwarded.",
        "{restore}",
    ),
    Code.RETURN_ROUTE_FORBIDS: Entry(
        "no route back to {subject}, but {route} ({origin}), so the kernel drops packets from it as martians",
        "An unreachable, blackhole, prohibit or throw route covers the source.",
        "{remove}",
    ),
    Code.RP_FILTER_STRICT: Entry(
        "rp_filter is strict (1) on {device} and drops packets from {subject}, since the route back leads by {route}",
        "A strict reverse path filter accepts packets only from the interface that the route back to their "
        "source leads by. Where it must stay strict, add a route back by that interface.",
        "sysctl -w net.ipv4.conf.all.rp_filter=0 {key}=0",
    ),
}
