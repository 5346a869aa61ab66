# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may drop or rewrite a packet on this node: chains of the packet filter, classifiers on links.

What becomes of one certain packet, ``judged`` says; these are suspects, for packets that are lost otherwise.
"""

from __future__ import annotations

import struct

from ...netlink.channel import Channel
from ...netlink.ruleset.read import ChainKey, Rule, Ruleset
from ...netlink.ruleset.verdicts import (
    ENDING,
    ENDING_TARGETS,
    MARKING_TARGETS,
    NAT,
    NAT_TARGETS,
    PASSING_TARGETS,
    STRANGE_NAT_TARGETS,
)
from ...netlink.wire import NetlinkError, parse, text
from ..model.kernel import BaseChain, Qdisc

NF_DROP = 0
#: The table that is ours: its rules translate and never drop.
OWN = ("inet", "podnet")


def chains(ruleset: Ruleset) -> list[BaseChain]:
    """The base chains of others that may drop, translate or rewrite packets, those of iptables' own kernel tables
    (iptables-legacy) among them."""
    found = []
    for base in sorted(ruleset.bases()):
        if base.key[:2] == OWN:
            continue
        effects = {key: _effects(ruleset, key) for key in _reached(ruleset, base.key)}
        whole = set().union(*effects.values())
        if whole or base.drops:
            chain = BaseChain(*base.key, base.hook, base.drops or "drop" in whole, base.drops)
            chain.translates, chain.rewrites, chain.devices = "nat" in whole, "rewrite" in whole, [*base.devices]
            chain.dropping = sorted(key.name for key, effect in effects.items() if "drop" in effect)
            found.append(chain)
    return found


def _reached(ruleset: Ruleset, start: ChainKey) -> list[ChainKey]:
    """The chains that a packet may come to from ``start``."""
    reached: dict[ChainKey, None] = {}
    ahead = [start]
    while ahead:
        key = ahead.pop()
        if key not in reached:
            reached[key] = None
            ahead += [
                key._replace(name=name)
                for rule in ruleset.rules(key)
                for _code, name in _verdicts(ruleset, rule)
                if name
            ]
    return [*reached]


def _effects(ruleset: Ruleset, key: ChainKey) -> set[str]:
    """What a chain's own rules may do: "drop", "nat", "rewrite"."""
    found: set[str] = set()
    for rule in ruleset.rules(key):
        found |= {"drop" for code, _name in _verdicts(ruleset, rule) if code == NF_DROP}
        for name, values in rule.expressions:
            if name == "target":
                target = text(values.get(1, b""))
                if target in ENDING_TARGETS:
                    found.add("drop")
                elif target in NAT_TARGETS or target in STRANGE_NAT_TARGETS:
                    found.add("nat")
                elif target not in (*PASSING_TARGETS, *MARKING_TARGETS):  # unknown ones may
                    found.add("rewrite")
            elif name in ENDING:
                found.add("drop")
            elif name == "payload" and 5 in values:  # NFTA_PAYLOAD_SREG: it writes
                found.add("rewrite")
            elif name in NAT:
                found.add("nat")
    return found


def _verdicts(ruleset: Ruleset, rule: Rule) -> list[tuple[int, str]]:
    """The verdicts that a rule may give, itself or by a verdict map: code (NF_*, NFT_*), chain that it leads to."""
    found = []
    for name, values in rule.expressions:
        if name == "verdict":
            found.append(values)
        elif name == "immediate":
            found.append(parse(parse(values.get(2, b"")).get(2, b"")))
        elif name == "lookup" and values.get(3) == bytes(4):  # into the verdict register
            elements = ruleset.elements(rule.key.family, rule.key.table, text(values[1]))
            found += [parse(element.data.get(2, b"")) for element in elements.all()]
    return [(int.from_bytes(one[1], "big", signed=True), text(one.get(2, b""))) for one in found if 1 in one]


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
