# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The chains and rules of iptables' own kernel tables (``xtables``), in the form of nftables'.

An entry is the match on the IP header, matches, and a target (linux/netfilter/x_tables.h); it jumps to others by their
offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from socket import AF_INET, AF_INET6

from .. import xtables
from ..xtables import NF_ACCEPT, NF_DROP, XT_RETURN

#: linux/netfilter_ipv4.h NF_IP_PRI_*: at which priority a table works; nat's depends on the hook.
PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
#: Bytes of struct ipt_ip or ip6t_ip6, where its flags are, which of them makes a jump a goto.
_HEADERS: dict[int, tuple[int, int, int]] = {AF_INET: (84, 82, 2), AF_INET6: (136, 131, 4)}
NF_QUEUE = -4  # as a verdict: -number - 1
#: A rule: its comment, and its expressions by name and attributes.
Rule = tuple[str, list[tuple[str, dict[int, bytes]]]]


class Table:
    """One table of ``tool`` (iptables-legacy, ip6tables-legacy): its block of ``entries``, and where in it the built-in
    chains begin and end with their policy, by hook."""

    def __init__(self, tool: str, name: str, starts: dict[str, int], ends: dict[str, int], entries: bytes) -> None:
        self.tool = tool
        self.name = name
        family = AF_INET6 if tool.startswith("ip6") else AF_INET
        found = xtables.rules_in(family, starts, entries)
        self._policies = {hook: rule for rule in found for hook, place in ends.items() if rule.place == place}
        #: The rules of the chains, but for policies and the RETURN at the end of a chain of the user's.
        self._chains: dict[str, list[xtables.Rule]] = {}
        builtin = {hook.upper() for hook in starts}
        for rule, following in zip(found, [*found[1:], None]):
            rules = self._chains.setdefault(rule.chain, [])
            last = following is None or following.head
            if not rule.head and rule not in self._policies.values() and (not last or rule.chain in builtin):
                rules.append(rule)

    def bases(self) -> Iterator[tuple[str, int, bool]]:
        """The built-in chains: hook, priority, and whether the policy, which is the last rule, drops."""
        for hook, policy in self._policies.items():
            nat = 100 if hook in ("postrouting", "input") else -100
            yield hook, PRIORITIES.get(self.name, nat), policy.verdict == NF_DROP

    def rules(self, chain: str) -> list[Rule]:
        """The rules of a chain in order."""
        return [_expressions(rule) for rule in self._chains.get(chain, [])]


def _expressions(rule: xtables.Rule) -> Rule:
    size, flags, goto = _HEADERS[rule.family]
    found: list[tuple[str, dict[int, bytes]]] = [("ip", {3: rule.data[:size]})]
    for name, revision, data in rule.matches():
        found.append(("match", {1: name, 2: revision.to_bytes(4, "big"), 3: data}))
    if rule.kind:
        attributes = {1: rule.kind.encode(), 2: rule.revision.to_bytes(4, "big"), 3: rule.data[rule.jump :]}
        found.append(("target", attributes))
    else:
        found.append(("verdict", _standard(rule, bool(rule.data[flags] & goto))))
    return rule.comment, found


def _standard(rule: xtables.Rule, goto: bool) -> dict[int, bytes]:
    """The standard target as nftables writes a verdict: code and chain."""
    codes = {NF_DROP: 0, NF_ACCEPT: 1, NF_QUEUE: 3, XT_RETURN: -5}
    code = (-4 if goto else -3) if rule.verdict >= 0 else codes.get(rule.verdict, 3)
    return {1: code.to_bytes(4, "big", signed=True), 2: rule.target.encode()}


def tables() -> list[Table]:
    """The tables of both IP versions that are in use."""
    return [Table(one.tool, one.name, one.starts, one.policies, one.rules) for one in xtables.tables()]
