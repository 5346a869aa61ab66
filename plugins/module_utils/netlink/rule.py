# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policy routing rules: RTM_*RULE of rtnetlink(7), numbers from linux/fib_rules.h."""

from __future__ import annotations

from struct import Struct

from .objects import KernelObject
from .wire import NLM_F_CREATE, NLM_F_EXCL, Request, attr, attr_u32, family_of, number, parse, split_prefix, unpack_ip

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from .channel import Channel
    from .objects import IndexOf

RTM_NEWRULE = 32
RTM_DELRULE = 33
RTM_GETRULE = 34

INFO = Struct("=BBBBBBBBI")  # struct fib_rule_hdr: family, dst, src lengths, tos, table, 2 reserved, action, flags

FRA_SRC = 2
FRA_PRIORITY = 6
FRA_TABLE = 15
FR_ACT_TO_TBL = 1


class Rule(KernelObject):
    """``src`` ("10.1.0.5/32"; None in an actual rule that is for all sources) looks up ``table``.

    ``priority`` None lets the kernel choose: one before all rules but the first.
    """

    RANK = 5
    KEY = ("src", "table")
    VALUES = ("priority",)
    __slots__ = ("priority", "src", "table")

    def __init__(self, src: str | None, table: int, priority: int | None = None):
        self.src = src
        self.table = table
        self.priority = priority

    def title(self) -> str:
        return f"rule from {self.src or 'all'} table {self.table}"

    def add(self, index_of: IndexOf) -> list[Request]:
        return [add(self.src or "", self.table, self.priority)]

    def change(self, actual: Rule, index_of: IndexOf) -> list[Request]:
        return actual.delete(index_of) + self.add(index_of)

    def delete(self, index_of: IndexOf) -> list[Request]:
        return [delete(self.src or "", self.table, self.priority)]


def add(src: str, table: int, priority: int | None = None) -> Request:
    """Packets from ``src`` (a prefix, "0.0.0.0/0" and "::/0" for all of a family) look up ``table``."""
    return RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, _body(src, table, priority), f"add rule from {src} table {table}"


def delete(src: str, table: int, priority: int | None = None) -> Request:
    """Remove the first such rule."""
    return RTM_DELRULE, 0, _body(src, table, priority), f"delete rule from {src} table {table}"


def dump(channel: Channel, family: int = 0) -> list[Rule]:
    """The namespace's rules that look up a table, in order; ``family`` 0 lists those of IPv4, then those of IPv6."""
    rules = []
    for wanted in [family] if family else [2, 10]:
        request = (RTM_GETRULE, 0, INFO.pack(wanted, 0, 0, 0, 0, 0, 0, 0, 0), "list rules")
        rules += [decode(payload) for payload in channel.dump(request)]
    return [rule for rule in rules if rule.table]


def decode(payload: bytes) -> Rule:
    """A Rule from an RTM_NEWRULE body."""
    _family, _dst, length, _tos, table, *_rest = INFO.unpack_from(payload)
    found = parse(payload, INFO.size)
    src = f"{unpack_ip(found[FRA_SRC])}/{length}" if FRA_SRC in found else None
    priority = number(found[FRA_PRIORITY]) if FRA_PRIORITY in found else 0
    return Rule(src, number(found[FRA_TABLE]) if FRA_TABLE in found else table, priority)


def _body(src: str, table: int, priority: int | None) -> bytes:
    packed, length = split_prefix(src)
    body = INFO.pack(family_of(src), 0, length, 0, table if table < 256 else 0, 0, 0, FR_ACT_TO_TBL, 0)
    if length:
        body += attr(FRA_SRC, packed)
    body += attr_u32(FRA_TABLE, table)
    if priority is not None:
        body += attr_u32(FRA_PRIORITY, priority)
    return body
