# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""iptables' own kernel tables (iptables-legacy), which nftables does not show: read only, by getsockopt(2).

linux/netfilter/x_tables.h, linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
SO_GET_INFO, SO_GET_ENTRIES = 64, 65
_GETINFO = struct.Struct("=32s I 5I 5I I I")
#: What in an entry comes before the offsets of its target and of the next: struct ipt_ip or ip6t_ip6, and nfcache.
_BEFORE: dict[int, int] = {socket.AF_INET: 84 + 4, socket.AF_INET6: 136 + 4}
OFFSETS = struct.Struct("=HH")
TARGET = struct.Struct("=H29sB")  # struct xt_entry_target; the standard target's verdict follows
_VERDICT = struct.Struct("=i")
ERROR = "ERROR"  # the target that begins a chain of the user's, and ends the table
NF_DROP, NF_ACCEPT, XT_RETURN = -1, -2, -5  # as verdicts: -NF_DROP - 1, -NF_ACCEPT - 1, -NF_REPEAT - 1
_FAMILIES = (
    (socket.AF_INET, socket.IPPROTO_IP, "ip", "iptables-legacy"),
    (socket.AF_INET6, socket.IPPROTO_IPV6, "ip6", "ip6tables-legacy"),
)


class Table:
    """One table: ``tool`` is what shows it (iptables-legacy, ip6tables-legacy), ``hooks`` are those that it has a
    built-in chain at (``mask``: as bits), which begins at ``starts`` and ends with its policy at ``policies``;
    ``rules`` are the entries, one behind the other."""

    def __init__(self, raw: socket.socket, family: int, level: int, tool: str, name: str) -> None:
        """Raises OSError where the kernel does not answer."""
        info = _GETINFO.unpack(_ask(raw, level, SO_GET_INFO, name, _GETINFO.size))
        self.family, self.level = family, level
        self.tool = tool
        self.name = name
        self.mask = info[1]
        self.hooks = [hook for number, hook in enumerate(HOOKS) if info[1] & 1 << number]
        self.starts = {hook: place for hook, place in zip(HOOKS, info[2:7]) if hook in self.hooks}
        self.policies = {hook: place for hook, place in zip(HOOKS, info[7:12]) if hook in self.hooks}
        self.rules = _ask(raw, level, SO_GET_ENTRIES, name, 40 + info[13], info[13])[40:]


def tables(only: str = "") -> Iterator[Table]:
    """The tables, or those of that name, of both IP versions; none where the kernel has no iptables. A table is there
    from its first use on: only of such is asked, since the question itself would make one."""
    for family, level, names, tool in _FAMILIES:
        try:
            with open(f"/proc/net/{names}_tables_names", encoding="ascii") as file:
                there = file.read().split()
            for name in there:
                if only in ("", name):
                    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
                        yield Table(raw, family, level, tool, name)
        except OSError:
            continue  # no such kernel, or no right to ask


class Rule:
    """An entry of a table: its ``place`` and bytes (``data``), its ``chain``, whether it begins that (``head``), its
    target's ``kind`` ("" for the standard one) at ``jump`` in the data, the standard one's ``verdict`` (below 0 the
    kernel's own, else the place to jump to) and the user's chain that this leads to (``target``, "" for none), its
    ``comment``, and the ``addresses`` that it is about, packed."""

    def __init__(self, family: int, entries: bytes, place: int, chain: str) -> None:
        target, following = OFFSETS.unpack_from(entries, place + _BEFORE[family])
        self.family = family
        self.place = place
        self.data = entries[place : place + following]
        _size, name, self.revision = TARGET.unpack_from(self.data, target)
        self.kind = _text(name)
        self.jump = target + TARGET.size
        self.head = self.kind == ERROR
        self.chain = _text(self.data[self.jump :]) if self.head else chain
        self.target = ""
        self.verdict = -1 if self.kind else _verdict(self.data, self.jump)
        self.comment = next((_text(data) for name, _revision, data in self.matches() if _text(name) == "comment"), "")
        size = 4 if family == socket.AF_INET else 16
        self.addresses = self.data[:size], self.data[size : 2 * size]

    def matches(self) -> Iterator[tuple[bytes, int, bytes]]:
        """The matches (struct xt_entry_match begins as a target does): name as it is there, revision, data."""
        at, end = header(self.family), self.jump - TARGET.size
        while at < end:
            size, name, revision = TARGET.unpack_from(self.data, at)
            yield name, revision, self.data[at + TARGET.size : at + size]
            at += size or end


def rules_of(table: Table) -> list[Rule]:
    """A table's rules, with the chains that they are in and lead to."""
    return rules_in(table.family, table.starts, table.rules)


def rules_in(family: int, starts: dict[str, int], entries: bytes) -> list[Rule]:
    """The same of its ``entries``, whose built-in chains start there."""
    builtin = {start: hook.upper() for hook, start in starts.items()}
    found: list[Rule] = []
    place = 0
    while place < len(entries):
        chain = builtin.get(place, found[-1].chain if found else "")
        found.append(Rule(family, entries, place, chain))
        place += len(found[-1].data)
    begins = {rule.place + len(rule.data): rule.chain for rule in found if rule.head}
    for rule in found:
        rule.target = begins.get(rule.verdict, "") if rule.verdict >= 0 else ""
    return found


def header(family: int) -> int:
    """Where an entry's matches begin: behind offsets, comefrom, and the counters, two 64-bit numbers."""
    return (_BEFORE[family] + OFFSETS.size + 4 + 7) // 8 * 8 + 16


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "replace")


def _verdict(data: bytes, at: int) -> int:
    return int(_VERDICT.unpack_from(data, at)[0]) if len(data) >= at + _VERDICT.size else XT_RETURN


def _ask(raw: socket.socket, level: int, option: int, table: str, room: int, size: int = 0) -> bytes:
    """getsockopt(2) with a question in the buffer, which Python's own can't put there."""
    import ctypes  # costs memory, and most nodes have no such table

    buffer = ctypes.create_string_buffer(struct.pack("=32sI", table.encode(), size).ljust(room, b"\0"), room)
    given = ctypes.c_uint(room)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.getsockopt(raw.fileno(), level, option, buffer, ctypes.byref(given)):
        raise OSError(ctypes.get_errno(), "getsockopt")
    return buffer.raw
