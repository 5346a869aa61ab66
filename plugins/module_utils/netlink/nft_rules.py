# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of nftables that others have made: read with what identifies them, and deleted one by one.

iptables-nft's are among them: it writes its matches as expressions of nftables, or as one named "match" that holds its
own structure (linux/netfilter/nf_tables.h, NFTA_MATCH_*; linux/netfilter/xt_comment.h).
"""

from __future__ import annotations

from errno import ENOENT

from .nft_expr import DATA_VALUE, DATA_VERDICT, VERDICT_CHAIN
from .nftables import COMMENT, DELRULE, FAMILIES, GETRULE, INFO, Table, user_data
from .wire import NetlinkError, Request, attr, attr_str, attributes, parse, text

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from .channel import Channel

RULE_TABLE, RULE_CHAIN, RULE_HANDLE, RULE_EXPRESSIONS, RULE_USERDATA = 1, 2, 3, 4, 7
EXPR_NAME, EXPR_DATA = 1, 2
IMMEDIATE_DATA, CMP_DATA = 2, 3
MATCH_NAME, MATCH_INFO = 1, 3


class Found:
    """A rule: its ``chain`` and ``handle``, the chain that it leads to (``target``, "" for none), its ``comment``, and
    the values that it compares with (``values``, packed)."""

    def __init__(self, chain: str, handle: bytes) -> None:
        self.chain = chain
        self.handle = handle
        self.target = self.comment = ""
        self.values: list[bytes] = []


def read(channel: Channel, table: Table, chain: str) -> list[Found]:
    """The rules of a chain, in order; none without the chain."""
    body = table.header() + attr_str(RULE_CHAIN, chain)
    try:
        payloads = channel.dump((GETRULE, 0, body, f"list rules of chain {chain} of {table.title()}"))
    except NetlinkError as error:
        if error.errno == ENOENT:
            return []
        raise
    parsed = [parse(payload, INFO.size) for payload in payloads if payload[0] == FAMILIES[table.family]]
    wanted = table.name, chain
    return [_decode(values) for values in parsed if (text(values[RULE_TABLE]), text(values[RULE_CHAIN])) == wanted]


def _decode(values: dict[int, bytes]) -> Found:
    rule = Found(text(values[RULE_CHAIN]), values[RULE_HANDLE])
    rule.comment = text(user_data(values.get(RULE_USERDATA, b"")).get(COMMENT, b""))
    for _kind, expression in attributes(values.get(RULE_EXPRESSIONS, b"")):
        found = parse(expression)
        name, inside = text(found[EXPR_NAME]), parse(found.get(EXPR_DATA, b""))
        if name == "immediate":
            verdict = parse(parse(inside.get(IMMEDIATE_DATA, b"")).get(DATA_VERDICT, b""))
            rule.target = text(verdict.get(VERDICT_CHAIN, b"")) or rule.target
        elif name == "cmp":
            rule.values.append(parse(inside.get(CMP_DATA, b"")).get(DATA_VALUE, b""))
        elif name == "match" and text(inside.get(MATCH_NAME, b"")) == "comment":
            rule.comment = text(inside.get(MATCH_INFO, b"").partition(b"\0")[0])
    return rule


def delete(table: Table, rule: Found) -> Request:
    body = table.header() + attr_str(RULE_CHAIN, rule.chain)
    return DELRULE, 0, body + attr(RULE_HANDLE, rule.handle), f"delete a rule of {rule.chain}"
