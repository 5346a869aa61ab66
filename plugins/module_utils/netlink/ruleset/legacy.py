# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The chains and rules of iptables' own kernel tables (``xtables``), in the form of nftables'.

An entry is the match on the IP header, matches, and a target (linux/netfilter/x_tables.h); it jumps to others by their
offset.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..xtables import NF_ACCEPT, NF_DROP, OFFSETS, TARGET, XT_RETURN
from ..xtables import tables as kernel_tables
from ..xtables import verdict as verdict_at

#: linux/netfilter_ipv4.h NF_IP_PRI_*: at which priority a table works; nat's depends on the hook.
PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
#: Bytes of struct ipt_ip or ip6t_ip6, where its flags are, which of them makes a jump a goto; where matches begin.
_HEADERS = {4: (84, 82, 2, 112), 6: (136, 131, 4, 168)}
NF_QUEUE = -4  # as a verdict: -number - 1
#: A rule: its comment, and its expressions by name and attributes.
Rule = tuple[str, list[tuple[str, dict[int, bytes]]]]


class Table:
    """One table of ``tool`` (iptables-legacy, ip6tables-legacy): its block of ``entries``, and where in it the built-in
    chains begin and end with their policy, by hook."""

    def __init__(self, tool: str, name: str, starts: dict[str, int], ends: dict[str, int], entries: bytes) -> None:
        self.tool = tool
        self.name = name
        self._starts, self._ends, self._entries = starts, ends, entries
        self._header, self._flags, self._goto, self._matches = _HEADERS[6 if tool.startswith("ip6") else 4]
        #: The chains by the offset of their first rule; the end of the table has no name.
        self._names: dict[int, str] = {}
        self._chains: dict[str, list[int]] = {}
        self._find_chains()

    def bases(self) -> Iterator[tuple[str, int, bool]]:
        """The built-in chains: hook, priority, and whether the policy, which is the last rule, drops."""
        for hook in self._starts:
            nat = 100 if hook in ("postrouting", "input") else -100
            _name, _data, drops = self._target(self._ends[hook])
            yield hook, PRIORITIES.get(self.name, nat), drops == NF_DROP

    def rules(self, chain: str) -> list[Rule]:
        """The rules of a chain in order."""
        return [self._rule(place) for place in self._chains.get(chain, [])]

    def _find_chains(self) -> None:
        heads = {self._starts[hook]: hook.upper() for hook in self._starts}
        ends = {self._ends[hook] for hook in self._starts}
        place, chain = 0, ""
        while place < len(self._entries):
            following = OFFSETS.unpack_from(self._entries, place + self._header + 4)[1]
            target, data, _code = self._target(place)
            if target == "ERROR":  # the head of the next chain, or the table's end
                chain = data[:30].partition(b"\0")[0].decode("ascii", "replace")
                self._names[place + following] = chain
                self._chains[chain] = []
            else:
                chain = heads.get(place, chain)
                if place in heads:
                    self._names[place] = chain
                rules = self._chains.setdefault(chain, [])
                last = place + following >= len(self._entries) or self._target(place + following)[0] == "ERROR"
                if place not in ends and not (last and chain not in heads.values()):  # a chain ends with its own RETURN
                    rules.append(place)
            if not following:
                break
            place += following

    def _target(self, place: int) -> tuple[str, bytes, int]:
        """An entry's target: its name ("" for the standard one), data, and the standard one's verdict."""
        at = place + OFFSETS.unpack_from(self._entries, place + self._header + 4)[0]
        size, name, _revision = TARGET.unpack_from(self._entries, at)
        data = self._entries[at + TARGET.size : at + size]
        verdict = verdict_at(self._entries, at)
        return name.partition(b"\0")[0].decode("ascii", "replace"), data, verdict

    def _rule(self, place: int) -> Rule:
        entries = self._entries
        target_at = OFFSETS.unpack_from(entries, place + self._header + 4)[0]
        found: list[tuple[str, dict[int, bytes]]] = [("ip", {3: entries[place : place + self._header]})]
        comment = ""
        at, end = place + self._matches, place + target_at
        while at < end:
            size, name, revision = TARGET.unpack_from(entries, at)
            data = entries[at + TARGET.size : at + size]
            found.append(("match", {1: name, 2: revision.to_bytes(4, "big"), 3: data}))
            if name.partition(b"\0")[0] == b"comment":
                comment = data.partition(b"\0")[0].decode("utf-8", "replace")
            at += size
        name_, data, verdict = self._target(place)
        if name_:
            revision = entries[end + TARGET.size - 1]
            found.append(("target", {1: name_.encode(), 2: revision.to_bytes(4, "big"), 3: data}))
        else:
            found.append(("verdict", self._standard(verdict, bool(entries[place + self._flags] & self._goto))))
        return comment, found

    def _standard(self, verdict: int, goto: bool) -> dict[int, bytes]:
        """The standard target as nftables writes a verdict: code and chain."""
        codes = {NF_DROP: 0, NF_ACCEPT: 1, NF_QUEUE: 3, XT_RETURN: -5}
        code = (-4 if goto else -3) if verdict >= 0 else codes.get(verdict, 3)
        return {1: code.to_bytes(4, "big", signed=True), 2: self._names.get(verdict, "").encode()}


def tables() -> list[Table]:
    """The tables of both IP versions that are in use."""
    return [Table(one.tool, one.name, one.starts, one.policies, one.rules) for one in kernel_tables()]
