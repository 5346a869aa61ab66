# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policy routing rules of others, and the kernel's own that are missing (ip-rule(8), linux/fib_rules.h)."""

from __future__ import annotations

import socket

from ...netlink import rule as rules
from ...netlink.channel import Channel
from ...netlink.rule import Rule
from ...netlink.wire import NetlinkError, attr, attr_u32
from ..model.kernel import PolicyRule

# linux/rtnetlink.h: attributes of a packet whose route is looked up
RTA_MARK, RTA_IP_PROTO, RTA_SPORT, RTA_DPORT = 16, 27, 28, 29
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp"}
NUMBERS = {name: number for number, name in PROTOCOLS.items()}
ACTIONS = {1: "table", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
#: The kernel's own, as (priority, table): local, main, default.
OWN = {socket.AF_INET: ((0, 255), (32766, 254), (32767, 253)), socket.AF_INET6: ((0, 255), (32766, 254))}
#: Nothing is in table "default" as a rule, and some remove its rule.
DEFAULT = 253


def policy(channel: Channel) -> list[PolicyRule]:
    """The rules that are not the kernel's own, and its own that are missing, of both IP versions."""
    found = []
    for family, own in OWN.items():
        version = 6 if family == socket.AF_INET6 else 4
        try:
            there = rules.dump_all(channel, family)
        except NetlinkError:
            continue  # a kernel without policy routing, or without IPv6
        plain = {(rule.priority, rule.table) for rule in there if _plain(rule)}
        found += [_state(rule, version) for rule in there if not (_plain(rule) and (rule.priority, rule.table) in own)]
        found += [
            PolicyRule(version, priority, table, missing=True)
            for priority, table in own
            if (priority, table) not in plain and table != DEFAULT
        ]
    return found


def _plain(rule: Rule) -> bool:
    """Whether the rule is for all packets, and looks up a table."""
    asks = (rule.src, rule.dst, rule.iif, rule.oif, rule.mark or None, rule.protocol, rule.sport, rule.dport)
    return ACTIONS.get(rule.action) == "table" and all(value is None for value in asks)


def _state(rule: Rule, version: int) -> PolicyRule:
    return PolicyRule(
        version,
        rule.priority or 0,
        rule.table,
        ACTIONS.get(rule.action, f"action {rule.action}"),
        source=rule.src or "",
        destination=rule.dst or "",
        iif=rule.iif or "",
        oif=rule.oif or "",
        mark=rule.mark or 0,
        mask=rule.mask or 0,
        protocol="" if rule.protocol is None else PROTOCOLS.get(rule.protocol, str(rule.protocol)),
        sport=_ports(rule.sport),
        dport=_ports(rule.dport),
    )


def _ports(ports: tuple[int, int] | None) -> str:
    if ports is None:
        return ""
    first, last = ports
    return f"{first}-{last}" if last != first else str(first)


def attributes(rule: PolicyRule) -> bytes:
    """The attributes of a packet that the rule singles out, for a lookup of its route (rtnetlink.h, RTA_*)."""
    body = attr_u32(RTA_MARK, rule.mark) if rule.mark else b""
    if rule.protocol:
        body += attr(RTA_IP_PROTO, bytes([NUMBERS.get(rule.protocol) or int(rule.protocol)]))
    for kind, ports in ((RTA_SPORT, rule.sport), (RTA_DPORT, rule.dport)):
        if ports:
            body += attr(kind, int(ports.partition("-")[0]).to_bytes(2, "big"))
    return body
