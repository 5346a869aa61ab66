# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rules of nftables drop a trace's packets: the kernel reports each rule that decides on a packet with the mark
"nftrace" (linux/netfilter/nf_tables.h, NFT_MSG_TRACE). iptables-nft's are among them, iptables-legacy's are not.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import Counter

from ...ipam.ip import version_of
from ...netlink import nft_expr, nftables
from ...netlink.channel import Channel
from ...netlink.wire import NETLINK_NETFILTER, attr_u32be, pack_ip, parse, text
from ..model.evidence import RuleDrop

MSG_TRACE = nftables.SUBSYSTEM | 17
NFNLGRP_NFTRACE = 9
NFTA_TABLE_FLAGS, TABLE_OWNER = 2, 2
TRACE_TABLE, TRACE_CHAIN, TRACE_HANDLE, TRACE_TYPE, TRACE_VERDICT, TRACE_POLICY = 1, 2, 3, 4, 5, 16
TYPE_POLICY, TYPE_RULE, DROP = b"\0\0\0\1", b"\0\0\0\3", bytes(4)
#: Before every chain of others.
FIRST = -450
FAMILIES = {number: name for name, number in nftables.FAMILIES.items()}
_serial = itertools.count()


class RuleTrace:
    """Has the kernel report on what passes between two addresses while it is open. Its table belongs to its socket, and
    ends with it. Reports nothing where the kernel cannot. A context manager."""

    def __init__(self, one: str, other: str) -> None:
        self._events, self._owner = Channel(NETLINK_NETFILTER), Channel(NETLINK_NETFILTER)
        family = version_of(one)
        ends = [(pack_ip(one), pack_ip(other)), (pack_ip(other), pack_ip(one))]
        rules = [
            nftables.Rule(
                "a trace's packets",
                nft_expr.of_family(family),
                nft_expr.source(family) + nft_expr.compare(source),
                nft_expr.destination(family) + nft_expr.compare(target),
                nft_expr.trace(),
            )
            for source, target in ends
        ]
        chains = [nftables.Chain(hook, rules, "filter", hook, FIRST) for hook in ("prerouting", "output")]
        self._table = nftables.Table("inet", f"podnet_trace_{os.getpid()}_{next(_serial)}", [], chains)

    def __enter__(self) -> RuleTrace:
        own = self._table.header() + attr_u32be(NFTA_TABLE_FLAGS, TABLE_OWNER)
        made = (nftables.NEWTABLE, nftables.NLM_F_CREATE | nftables.NLM_F_EXCL, own, f"add {self._table.title()}")
        with contextlib.suppress(OSError):
            self._events.enlarge()
            self._events.subscribe(NFNLGRP_NFTRACE)
            nftables.transaction(self._owner, [made, *nftables.put_chains(self._table, self._table.chains)])
        return self

    def __exit__(self, *_exc: object) -> None:
        self._owner.close()
        self._events.close()

    def drops(self) -> list[RuleDrop]:
        """By what packets were dropped until now."""
        found: Counter[tuple[str, str, str, int]] = Counter()
        for kind, _port, body in self._events.events(1 << 14)[0]:
            values = parse(body, nftables.INFO.size) if kind == MSG_TRACE else {}
            by_rule = values.get(TRACE_TYPE) == TYPE_RULE and _verdict(values) == DROP
            if by_rule or (values.get(TRACE_TYPE) == TYPE_POLICY and values.get(TRACE_POLICY) == DROP):
                handle = int.from_bytes(values[TRACE_HANDLE], "big") if by_rule else 0
                family, table, chain = FAMILIES.get(body[0], ""), text(values[TRACE_TABLE]), text(values[TRACE_CHAIN])
                found[family, table, chain, handle] += 1
        return [RuleDrop(*place, packets) for place, packets in found.most_common()]


def _verdict(values: dict[int, bytes]) -> bytes | None:
    return parse(values.get(TRACE_VERDICT, b"")).get(nft_expr.VERDICT_CODE)
