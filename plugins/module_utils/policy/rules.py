# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of ``inet podnet_policy``: the base chains, which are fixed, and what a line of a Program becomes.

Two base chains at the hook forward, after DNAT (the pod's own address and port) and before SNAT (the real source):
``egress``, then ``ingress``. To accept ends one base chain only: neither direction can skip the other, and tables of
others still have their say. A packet takes the same few steps whatever the number of policies.

A node's packets to its own pods pass through output and never come here, as the API wants it.
"""

from __future__ import annotations

from sys import byteorder

from ..netlink import nft_expr as nft
from ..netlink.nftables import Chain, Rule
from ..netlink.wire import U16BE
from .program import ACCEPT, DROP, EGRESS, FAMILIES, GOTO, INGRESS, NAMESPACED, Line

#: The bit of a connection's mark that stops it: of one that was open when a policy came that does not allow it.
CUT = 0x20000000
#: Before the filter chains of kube-proxy and of the host (linux/netfilter_ipv4.h NF_IP_PRI_FILTER is 0).
PRIORITY = {EGRESS: -10, INGRESS: -9}
#: IANA: ICMPv6 (58), and its types of multicast listener and neighbor discovery (130-137, 143; RFC 2710, 3810, 4861).
ICMPV6, DISCOVERY, LISTENER_REPORT = b"\x3a", (b"\x82", b"\x89"), b"\x8f"
#: nft's own limit for a comment, with its end.
COMMENT = 127
LENGTH = {4: 4, 6: 16}
#: fe80::/10
LINK_LOCAL = b"\xfe\x80" + bytes(14), b"\xff\xc0" + bytes(14)


def base_chains() -> list[Chain]:
    """Those with a hook, and those that are after the tier Admin."""
    return [_base(EGRESS), _base(INGRESS), *(_namespaced(direction) for direction in (EGRESS, INGRESS))]


def of_line(line: Line) -> Rule:
    parts = []
    if line.source or line.target or line.named or line.own:
        parts.append(nft.of_family(line.family))  # nft list shows addresses as such only then
    if line.protocol:
        parts.append(nft.meta("l4proto") + nft.compare(bytes((line.protocol,))))
    if line.last:
        ends = U16BE.pack(line.first), U16BE.pack(line.last)
        only = nft.compare(ends[0]) if line.first == line.last else nft.between(*ends)
        parts.append(nft.destination_port() + only)
    if line.ports:
        parts.append(nft.destination_port() + nft.in_set(line.ports))
    if line.source:
        parts.append(nft.source(line.family) + nft.in_set(line.source))
    if line.target:
        parts.append(nft.destination(line.family) + nft.in_set(line.target))
    if line.named:
        after = nft.REG32 + LENGTH[line.family] // 4
        parts.append(nft.destination(line.family, nft.REG32) + nft.meta("l4proto", after))
        parts.append(nft.destination_port(after + 1) + nft.in_set(line.named, nft.REG32))
    if line.own:
        after = nft.REG32 + LENGTH[line.family] // 4
        parts.append(nft.source(line.family, nft.REG32) + nft.destination(line.family, after))
        parts.append(nft.in_set(line.own, nft.REG32))
    if line.verdict == DROP:
        parts.append(nft.counter())
    return Rule(_short(line.comment), *parts, nft.verdict(line.verdict, line.chain or None))


def _short(comment: str) -> str:
    return comment.encode()[:COMMENT].decode(errors="ignore")


def _base(direction: str) -> Chain:
    rules = [_cut()] if direction == EGRESS else []
    rules += [_established(), *_discovery()]
    if direction == EGRESS:
        rules += [*_link_local(), *_unknown()]
    rules += [_to_chain(f"{direction}_admin", direction, family) for family in FAMILIES]
    rules.append(Rule(f"{direction} policies of namespaces", nft.verdict(GOTO, NAMESPACED[direction])))
    return Chain(direction, rules, "filter", "forward", PRIORITY[direction])


def _namespaced(direction: str) -> Chain:
    """It ends with a verdict: a pass of the tier Admin must not come back to the policies that it skips."""
    rules = [_to_chain(direction, direction, family) for family in FAMILIES]
    return Chain(NAMESPACED[direction], [*rules, Rule(f"{direction} not isolated", nft.verdict(ACCEPT))])


def _to_chain(verdicts: str, direction: str, family: int) -> Rule:
    """To the chain of the address that the direction is about."""
    address = nft.source(family) if direction == EGRESS else nft.destination(family)
    look = nft.map_to(f"{verdicts}{family}", nft.REG, nft.VERDICT_REG)
    return Rule(f"{verdicts} of an IPv{family} pod", nft.of_family(family), address, look)


def _cut() -> Rule:
    bit = nft.mask(4, CUT.to_bytes(4, byteorder)) + nft.compare(bytes(4), nft.NOT_EQUAL)
    return Rule("connections cut by a policy", nft.conntrack(nft.CT_MARK), bit, nft.counter(), nft.verdict(DROP))


def _established() -> Rule:
    bits = nft.mask(4, nft.ESTABLISHED_OR_RELATED.to_bytes(4, byteorder)) + nft.compare(bytes(4), nft.NOT_EQUAL)
    return Rule("open connections", nft.conntrack(nft.CT_STATE), bits, nft.verdict(ACCEPT))


def _discovery() -> list[Rule]:
    """Without it no IPv6 pod reaches anything: on one node it crosses this hook, bridged."""
    icmpv6 = nft.of_family(6) + nft.meta("l4proto") + nft.compare(ICMPV6)
    kind = nft.payload(nft.TRANSPORT_HEADER, 0, 1)
    types = nft.between(*DISCOVERY), nft.compare(LISTENER_REPORT)
    return [Rule("neighbor discovery", icmpv6, kind, only, nft.verdict(ACCEPT)) for only in types]


def _link_local() -> list[Rule]:
    """Link-local addresses are not in any set: between pods of one node they would pass all policies."""
    first, bits = LINK_LOCAL
    return [
        Rule(
            "link-local between pods",
            nft.meta("iifname") + nft.in_set("links"),
            nft.of_family(6) + address + nft.mask(16, bits) + nft.compare(first),
            nft.counter(),
            nft.verdict(DROP),
        )
        for address in (nft.source(6), nft.destination(6))
    ]


def _unknown() -> list[Rule]:
    """An address of this node's pod CIDRs without a pod whose policies are in force: closed."""
    return [
        Rule(
            f"IPv{family} addresses of unknown pods",
            nft.of_family(family),
            address(family),
            nft.in_set(f"local{family}"),
            nft.in_set(f"known{family}", inverted=True),
            nft.counter(),
            nft.verdict(DROP),
        )
        for family in FAMILIES
        for address in (nft.source, nft.destination)
    ]
