# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may drop or rewrite a packet on this node: chains of the packet filter, classifiers on links.

Whether a rule matches a certain packet only the kernel knows; these are suspects, for the case that a packet is lost
between two points where it should have been captured.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ...netlink import xtables
from ...netlink.channel import Channel
from ...netlink.nftables import GETCHAIN, GETRULE, GETSETELEM, HOOKS, INFO
from ...netlink.wire import NETLINK_NETFILTER, NetlinkError, attr_str, attributes, parse, text
from ..model.kernel import BaseChain, Qdisc

# linux/netfilter.h: families and verdicts
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
HOOK_NAMES = {number: name for name, number in HOOKS.items()} | {5: "ingress"}  # NF_INET_INGRESS, of family inet
NETDEV_HOOKS = {0: "ingress", 1: "egress"}
NF_DROP, NFT_JUMP, NFT_GOTO = 0, -3, -4
# linux/netfilter/nf_tables.h: attributes of chains, rules, expressions and verdicts
CHAIN_TABLE, CHAIN_NAME, CHAIN_HOOK, CHAIN_POLICY, CHAIN_TYPE = 1, 3, 4, 5, 7
HOOK_NUMBER, HOOK_DEV, HOOK_DEVS = 1, 3, 4
PAYLOAD_SREG = 5  # an expression "payload" with it writes
RULE_TABLE, RULE_CHAIN, RULE_EXPRESSIONS = 1, 2, 4
LOOKUP_SET, LOOKUP_DREG, NFT_REG_VERDICT = 1, 3, b"\0\0\0\0"  # an expression "lookup" in a verdict map
#: The table that is ours: its rules translate and never drop.
OWN = ("inet", "podnet")


class _Chain(NamedTuple):
    hook: str
    kind: str
    policy_drops: bool
    devices: list[str]


def chains() -> list[BaseChain]:
    """The base chains of others that may drop, translate or rewrite packets, those of iptables' own kernel tables
    (iptables-legacy) among them."""
    try:
        with Channel(NETLINK_NETFILTER) as channel:
            found = _nftables(channel)
    except (NetlinkError, OSError):
        found = []
    return found + _xtables()


def has_chain(name: str) -> bool:
    """Whether any table has a chain of that name."""
    try:
        with Channel(NETLINK_NETFILTER) as channel:
            payloads = channel.dump((GETCHAIN, 0, INFO.pack(0, 0, 0), "list chains"))
    except (NetlinkError, OSError):
        return False
    return any(text(parse(payload, INFO.size)[CHAIN_NAME]) == name for payload in payloads)


def _nftables(channel: Channel) -> list[BaseChain]:
    bases: dict[tuple[str, str, str], _Chain] = {}
    for payload in channel.dump((GETCHAIN, 0, INFO.pack(0, 0, 0), "list chains")):
        values = parse(payload, INFO.size)
        if CHAIN_HOOK in values:
            family = FAMILIES.get(payload[0], str(payload[0]))
            attached = parse(values[CHAIN_HOOK])
            number = int.from_bytes(attached.get(HOOK_NUMBER, b""), "big")
            hook = (NETDEV_HOOKS if family == "netdev" else HOOK_NAMES).get(number, str(number))
            policy = values.get(CHAIN_POLICY, b"\0\0\0\1") == b"\0\0\0\0"
            key = (family, text(values[CHAIN_TABLE]), text(values[CHAIN_NAME]))
            devices = [text(attached[HOOK_DEV])] if HOOK_DEV in attached else []
            devices += [text(name) for _kind, name in attributes(attached.get(HOOK_DEVS, b""))]
            bases[key] = _Chain(hook, text(values.get(CHAIN_TYPE, b"")), policy, devices)
    jumps: dict[tuple[str, str, str], set[str]] = {}
    drops: set[tuple[str, str, str]] = set()
    translates: set[tuple[str, str, str]] = set()
    rewrites: set[tuple[str, str, str]] = set()
    for payload in channel.dump((GETRULE, 0, INFO.pack(0, 0, 0), "list rules")):
        values = parse(payload, INFO.size)
        key = (FAMILIES.get(payload[0], str(payload[0])), text(values[RULE_TABLE]), text(values[RULE_CHAIN]))
        effect, targets, maps = _effect(values.get(RULE_EXPRESSIONS, b""))
        for name in maps if key[:2] != OWN else ():
            for verdict in _verdicts(channel, payload[0], key[1], name):
                _judge(verdict, effect, targets)
        jumps.setdefault(key, set()).update(targets)
        if "drop" in effect:
            drops.add(key)
        if "nat" in effect:
            translates.add(key)
        if "rewrite" in effect:
            rewrites.add(key)
    found = []
    for key, base in sorted(bases.items()):
        reached = _reached(key, jumps)
        dropping, translating, rewriting = (bool(reached & chains) for chains in (drops, translates, rewrites))
        if key[:2] != OWN and (base.policy_drops or dropping or translating or rewriting):
            found.append(
                BaseChain(
                    *key, base.hook, base.policy_drops or dropping, base.policy_drops, translating, rewriting,
                    base.devices, dropping=sorted(name for _family, _table, name in reached & drops),
                )
            )  # fmt: skip
    return found


def _xtables() -> list[BaseChain]:
    found = []
    for table in xtables.tables():
        for hook in table.hooks:
            effect, policy = table.effect(hook, target_effect), table.policy_drops(hook)
            if effect or policy:
                chain = BaseChain(table.tool, table.name, hook.upper(), hook, policy or "drop" in effect, policy)
                chain.translates, chain.rewrites = "nat" in effect, "rewrite" in effect
                chain.dropping = [hook.upper()] if "drop" in effect else []
                found.append(chain)
    return found


def _reached(start: tuple[str, str, str], jumps: dict[tuple[str, str, str], set[str]]) -> set[tuple[str, str, str]]:
    """The chains that a packet may come to from ``start``."""
    reached, ahead = set(), [start]
    while ahead:
        key = ahead.pop()
        if key not in reached:
            reached.add(key)
            ahead += [(key[0], key[1], name) for name in jumps.get(key, ())]
    return reached


#: Expressions of nftables, and targets of iptables in its tables, after which a packet doesn't go on.
TAKERS = ("reject", "queue", "tproxy", "fwd", "synproxy")
TAKING_TARGETS = ("REJECT", "DROP", "NFQUEUE", "TPROXY", "TARPIT")
NAT_TARGETS = ("MASQUERADE", "SNAT", "DNAT", "REDIRECT", "NETMAP")
#: Targets that leave the packet as it is; all others rewrite it.
HARMLESS_TARGETS = (
    "", "ERROR", "LOG", "NFLOG", "ULOG", "TRACE", "AUDIT", "MARK", "CONNMARK", "SECMARK", "CONNSECMARK", "CT",
    "NOTRACK", "CLASSIFY", "SET", "RATEEST", "LED", "IDLETIMER", "TEE", "CHECKSUM",
)  # fmt: skip


def _effect(expressions: bytes) -> tuple[set[str], set[str], set[str]]:
    """What a rule may do ("drop", "nat", "rewrite"), the chains that it leads to, and the verdict maps that it uses."""
    effect: set[str] = set()
    targets: set[str] = set()
    maps: set[str] = set()
    for _kind, element in attributes(expressions):
        values = parse(element)
        name, data = text(values.get(1, b"")), parse(values.get(2, b""))
        if name == "immediate" and 2 in data:
            _judge(data[2], effect, targets)
        elif name == "lookup" and data.get(LOOKUP_DREG) == NFT_REG_VERDICT:
            maps.add(text(data[LOOKUP_SET]))
        elif name == "target":
            effect |= target_effect(text(data.get(1, b"")))
        elif name in TAKERS:
            effect.add("drop")
        elif name == "payload" and PAYLOAD_SREG in data:
            effect.add("rewrite")
        elif name in ("nat", "masq", "redir"):
            effect.add("nat")
    return effect, targets, maps


def _judge(data: bytes, effect: set[str], targets: set[str]) -> None:
    """Enter what a verdict (struct nft_data) does, and the chain that it leads to."""
    verdict = parse(parse(data).get(2, b""))
    code = int.from_bytes(verdict.get(1, b"\0\0\0\1"), "big", signed=True)
    if code == NF_DROP and 1 in verdict:
        effect.add("drop")
    if code in (NFT_JUMP, NFT_GOTO) and 2 in verdict:
        targets.add(text(verdict[2]))


def _verdicts(channel: Channel, family: int, table: str, name: str) -> list[bytes]:
    """The data of a map's elements."""
    body = INFO.pack(family, 0, 0) + attr_str(1, table) + attr_str(2, name)
    payloads = channel.dump((GETSETELEM, 0, body, f"list elements of {name}"))
    lists = (attributes(parse(payload, INFO.size).get(3, b"")) for payload in payloads)
    return [data for elements in lists for _kind, element in elements if (data := parse(element).get(2))]


def target_effect(name: str) -> set[str]:
    """What a target of iptables may do to a packet: "drop", "nat", "rewrite", or nothing."""
    if name in HARMLESS_TARGETS:
        return set()
    return {"drop" if name in TAKING_TARGETS else "nat" if name in NAT_TARGETS else "rewrite"}


RTM_GETQDISC = 38
_TCMSG = struct.Struct("=BxxxiIII")
#: Queueing disciplines that devices get by themselves. All others hold classifiers, whose actions drop and rewrite, or
#: slow, lose or reorder packets on purpose.
_USUAL = ("noqueue", "pfifo_fast", "fq_codel", "fq", "mq", "mqprio", "cake", "noop")


def qdiscs(channel: Channel, names: dict[int, str]) -> list[Qdisc]:
    """The queueing disciplines that are classifiers, shapers or other unusual ones."""
    found = []
    try:
        payloads = channel.dump((RTM_GETQDISC, 0, _TCMSG.pack(0, 0, 0, 0, 0), "list queueing disciplines"))
    except NetlinkError:
        return []
    for payload in payloads:
        index = _TCMSG.unpack_from(payload)[1]
        kind = text(parse(payload, _TCMSG.size).get(1, b""))
        if kind not in _USUAL:
            found.append(Qdisc(names.get(index, str(index)), kind))
    return found
