# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""iptables' own kernel tables (iptables-legacy), which nftables does not show: read only, by getsockopt(2).

linux/netfilter/x_tables.h, linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h. An entry is the match
on the IP header, matches, and a target. A table is one block: its entries jump to others by their offset.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
#: linux/netfilter_ipv4.h NF_IP_PRI_*: at which priority a table works; nat's depends on the hook.
PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
SO_GET_INFO, SO_GET_ENTRIES = 64, 65
_GETINFO = struct.Struct("=32s I 5I 5I I I")
#: Bytes of struct ipt_ip or ip6t_ip6, where its flags are, and which of them makes a jump a goto.
_HEADER: dict[int, tuple[int, int, int]] = {socket.AF_INET: (84, 82, 2), socket.AF_INET6: (136, 131, 4)}
_OFFSETS = struct.Struct("=HH")
_PART = struct.Struct("=H29sB")  # struct xt_entry_match, xt_entry_target
_VERDICT = struct.Struct("=i")
NF_DROP, NF_ACCEPT, NF_QUEUE, XT_RETURN = -1, -2, -4, -5  # as verdicts: -number - 1
_FAMILIES = (
    (socket.AF_INET, socket.IPPROTO_IP, "ip", "iptables-legacy"),
    (socket.AF_INET6, socket.IPPROTO_IPV6, "ip6", "ip6tables-legacy"),
)
#: A rule: its comment, and its expressions by name and attributes.
Rule = tuple[str, list[tuple[str, dict[int, bytes]]]]


class Table:
    """One table of ``tool`` (iptables-legacy, ip6tables-legacy), from its block of entries as the kernel returns it."""

    def __init__(self, tool: str, name: str, info: bytes, entries: bytes) -> None:
        self.tool = tool
        self.name = name
        values = _GETINFO.unpack(info)
        self._hooks = [hook for number, hook in enumerate(HOOKS) if values[1] & 1 << number]
        self._starts, self._ends = dict(zip(HOOKS, values[2:7])), dict(zip(HOOKS, values[7:12]))
        self._entries = entries
        family = socket.AF_INET6 if tool.startswith("ip6") else socket.AF_INET
        self._header, self._flags, self._goto = _HEADER[family]
        #: The chains by the offset of their first rule; the end of the table has no name.
        self._names: dict[int, str] = {}
        self._chains: dict[str, list[int]] = {}
        self._find_chains()

    def bases(self) -> Iterator[tuple[str, int, bool]]:
        """The built-in chains: hook, priority, and whether the policy, which is the last rule, drops."""
        for hook in self._hooks:
            nat = 100 if hook in ("postrouting", "input") else -100
            _name, _data, drops = self._target(self._ends[hook])
            yield hook, PRIORITIES.get(self.name, nat), drops == NF_DROP

    def rules(self, chain: str) -> list[Rule]:
        """The rules of a chain in order."""
        return [self._rule(place) for place in self._chains.get(chain, [])]

    def _find_chains(self) -> None:
        heads = {self._starts[hook]: hook.upper() for hook in self._hooks}
        ends = {self._ends[hook] for hook in self._hooks}
        place, chain = 0, ""
        while place < len(self._entries):
            following = _OFFSETS.unpack_from(self._entries, place + self._header + 4)[1]
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
        at = place + _OFFSETS.unpack_from(self._entries, place + self._header + 4)[0]
        size, name, _revision = _PART.unpack_from(self._entries, at)
        data = self._entries[at + _PART.size : at + size]
        verdict = _VERDICT.unpack_from(data)[0] if len(data) >= 4 else XT_RETURN
        return name.partition(b"\0")[0].decode("ascii", "replace"), data, verdict

    def _rule(self, place: int) -> Rule:
        entries = self._entries
        target_at = _OFFSETS.unpack_from(entries, place + self._header + 4)[0]
        found: list[tuple[str, dict[int, bytes]]] = [("ip", {3: entries[place : place + self._header]})]
        comment = ""
        at, end = place + (self._header + 4 + 8 + 7) // 8 * 8 + 16, place + target_at
        while at < end:
            size, name, revision = _PART.unpack_from(entries, at)
            data = entries[at + _PART.size : at + size]
            found.append(("match", {1: name, 2: revision.to_bytes(4, "big"), 3: data}))
            if name.partition(b"\0")[0] == b"comment":
                comment = data.partition(b"\0")[0].decode("utf-8", "replace")
            at += size
        name_, data, verdict = self._target(place)
        if name_:
            revision = entries[end + _PART.size - 1]
            found.append(("target", {1: name_.encode(), 2: revision.to_bytes(4, "big"), 3: data}))
        else:
            found.append(("verdict", self._standard(verdict, bool(entries[place + self._flags] & self._goto))))
        return comment, found

    def _standard(self, verdict: int, goto: bool) -> dict[int, bytes]:
        """The standard target as nftables writes a verdict: code and chain."""
        codes = {NF_DROP: 0, NF_ACCEPT: 1, NF_QUEUE: 3, XT_RETURN: -5}
        code = (-4 if goto else -3) if verdict >= 0 else codes.get(verdict, 3)
        return {1: code.to_bytes(4, "big", signed=True), 2: self._names.get(verdict, "").encode()}


def tables(only: str = "") -> list[Table]:
    """The tables, or those of that name, of both IP versions; none where the kernel has no iptables. A table is there
    from its first use on: only of such is asked, since the question itself would make one."""
    found = []
    for family, level, names, tool in _FAMILIES:
        try:
            with open(f"/proc/net/{names}_tables_names", encoding="ascii") as file:
                there = file.read().split()
            for name in there:
                if only in ("", name):
                    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
                        found.append(_read(raw, level, tool, name))
        except OSError:
            continue  # no such kernel, or no right to ask
    return found


def _read(raw: socket.socket, level: int, tool: str, name: str) -> Table:
    """Raises OSError where the kernel does not answer."""
    info = _ask(raw, level, SO_GET_INFO, name, _GETINFO.size)
    size = _GETINFO.unpack(info)[13]
    return Table(tool, name, info, _ask(raw, level, SO_GET_ENTRIES, name, 40 + size, size)[40:])


def _ask(raw: socket.socket, level: int, option: int, table: str, room: int, size: int = 0) -> bytes:
    """getsockopt(2) with a question in the buffer, which Python's own can't put there."""
    import ctypes  # costs memory, and most nodes have no such table

    buffer = ctypes.create_string_buffer(struct.pack("=32sI", table.encode(), size).ljust(room, b"\0"), room)
    given = ctypes.c_uint(room)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.getsockopt(raw.fileno(), level, option, buffer, ctypes.byref(given)):
        raise OSError(ctypes.get_errno(), "getsockopt")
    return buffer.raw
