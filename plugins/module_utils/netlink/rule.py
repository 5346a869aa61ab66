# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policy routing rules: RTM_*RULE of rtnetlink(7), numbers from linux/fib_rules.h."""

from __future__ import annotations

from struct import Struct

from .objects import KernelObject
from .wire import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    Request,
    attr,
    attr_u32,
    family_of,
    number,
    parse,
    split_prefix,
    text,
    unpack_ip,
)

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from .channel import Channel
    from .objects import IndexOf

RTM_NEWRULE = 32
RTM_DELRULE = 33
RTM_GETRULE = 34

_PORTS = Struct("=HH")  # struct fib_rule_port_range
INFO = Struct("=BBBBBBBBI")  # struct fib_rule_hdr: family, dst, src lengths, tos, table, 2 reserved, action, flags

FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_PRIORITY, FRA_FWMARK = 1, 2, 3, 6, 10
FRA_TABLE, FRA_FWMASK, FRA_OIFNAME = 15, 16, 17
FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE = 22, 23, 24
FR_ACT_TO_TBL = 1


class Rule(KernelObject):
    """``src`` ("10.1.0.5/32"; None in an actual rule that is for all sources) looks up ``table``.

    ``priority`` None lets the kernel choose: one before all rules but the first. Read only: ``family``, ``action``
    (FR_ACT_*), ``dst``, ``iif``, ``oif``, ``mark`` and its ``mask``, ``protocol`` (IPPROTO_*), ``sport`` and ``dport``
    (first and last port); None for what a rule does not ask for.
    """

    RANK = 5
    KEY = ("src", "table")
    VALUES = ("priority",)
    __slots__ = (
        "action", "dport", "dst", "family", "iif", "mark", "mask", "oif", "priority", "protocol", "sport", "src",
        "table",
    )  # fmt: skip

    def __init__(self, src: str | None, table: int, priority: int | None = None):
        self.src = src
        self.table = table
        self.priority = priority
        self.family = 0
        self.action = FR_ACT_TO_TBL
        self.dst: str | None = None
        self.iif: str | None = None
        self.oif: str | None = None
        self.mark: int | None = None
        self.mask: int | None = None
        self.protocol: int | None = None
        self.sport: tuple[int, int] | None = None
        self.dport: tuple[int, int] | None = None

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
    return [rule for wanted in ([family] if family else [2, 10]) for rule in dump_all(channel, wanted) if rule.table]


def dump_all(channel: Channel, family: int) -> list[Rule]:
    """All rules of a family, in order. Raises NetlinkError, among others of a kernel without policy routing."""
    request = (RTM_GETRULE, 0, INFO.pack(family, 0, 0, 0, 0, 0, 0, 0, 0), "list rules")
    return [decode(payload) for payload in channel.dump(request)]


def decode(payload: bytes) -> Rule:
    """A Rule from an RTM_NEWRULE body."""
    family, to_length, from_length, _tos, table, _res1, _res2, action, _flags = INFO.unpack_from(payload)
    found = parse(payload, INFO.size)

    def value(attribute: int) -> int | None:
        return number(found[attribute]) if attribute in found else None

    def prefix(attribute: int, length: int) -> str | None:
        return f"{unpack_ip(found[attribute])}/{length}" if attribute in found else None

    def ports(attribute: int) -> tuple[int, int] | None:
        return _PORTS.unpack(found[attribute]) if attribute in found else None

    in_full = value(FRA_TABLE)
    rule = Rule(prefix(FRA_SRC, from_length), table if in_full is None else in_full, value(FRA_PRIORITY) or 0)
    rule.family, rule.action, rule.dst = family, action, prefix(FRA_DST, to_length)
    rule.iif = text(found[FRA_IIFNAME]) if FRA_IIFNAME in found else None
    rule.oif = text(found[FRA_OIFNAME]) if FRA_OIFNAME in found else None
    rule.mark, rule.mask, rule.protocol = value(FRA_FWMARK), value(FRA_FWMASK), value(FRA_IP_PROTO)
    rule.sport, rule.dport = ports(FRA_SPORT_RANGE), ports(FRA_DPORT_RANGE)
    return rule


def _body(src: str, table: int, priority: int | None) -> bytes:
    packed, length = split_prefix(src)
    body = INFO.pack(family_of(src), 0, length, 0, table if table < 256 else 0, 0, 0, FR_ACT_TO_TBL, 0)
    if length:
        body += attr(FRA_SRC, packed)
    body += attr_u32(FRA_TABLE, table)
    if priority is not None:
        body += attr_u32(FRA_PRIORITY, priority)
    return body
