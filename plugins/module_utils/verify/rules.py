# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policy rules that somebody has added to the kernel's own: they may take a packet another way, or none."""

from __future__ import annotations

from typing import Any

from ..netlink.channel import Channel
from ..netlink.rule import FRA_PRIORITY, FRA_SRC, FRA_TABLE, INFO, RTM_GETRULE
from ..netlink.wire import NetlinkError, number, parse, text, unpack_ip

# linux/fib_rules.h
FRA_DST, FRA_IIFNAME, FRA_FWMARK, FRA_OIFNAME = 1, 3, 10, 17
ACTIONS = {1: "table", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
#: The kernel's own: priority and table.
OWN = {2: ((0, 255), (32766, 254), (32767, 253)), 10: ((0, 255), (32766, 254))}
TABLES = {255: "local", 254: "main", 253: "default"}


def policy(channel: Channel) -> list[dict[str, Any]]:
    """Rules of others, as ``ip rule`` writes them: ``rule``, and ``cure``, which undoes it; and those of the kernel's
    own that are missing."""
    found = []
    for family, own in OWN.items():
        six = "-6 " if family == 10 else ""
        seen = set()
        try:
            payloads = channel.dump((RTM_GETRULE, 0, INFO.pack(family, 0, 0, 0, 0, 0, 0, 0, 0), "list rules"))
        except NetlinkError:
            continue  # a kernel without policy routing, or without IPv6
        for payload in payloads:
            key, words = _read(payload)
            seen.add(key)
            if key not in own:
                found.append({"rule": words, "cure": f"ip {six}rule delete {words}"})
        for priority, table in own:
            if (priority, table) not in seen and table != 253:
                words = f"pref {priority} table {TABLES[table]}"
                found.append({"rule": f"none with {words}", "cure": f"ip {six}rule add {words}"})
    return found


def _read(payload: bytes) -> tuple[tuple[int, int], str]:
    """A rule's priority and table (0 where it has none), and all of it in words."""
    _family, to_length, from_length, _tos, table, _res1, _res2, action, _flags = INFO.unpack_from(payload)
    values = parse(payload, INFO.size)
    priority = number(values[FRA_PRIORITY]) if FRA_PRIORITY in values else 0
    table = number(values[FRA_TABLE]) if FRA_TABLE in values else table
    words = [f"pref {priority}"]
    for attribute, word, length in ((FRA_SRC, "from", from_length), (FRA_DST, "to", to_length)):
        if attribute in values:
            words.append(f"{word} {unpack_ip(values[attribute])}/{length}")
    for attribute, word in ((FRA_IIFNAME, "iif"), (FRA_OIFNAME, "oif")):
        if attribute in values:
            words.append(f"{word} {text(values[attribute])}")
    if values.get(FRA_FWMARK):
        words.append(f"fwmark {number(values[FRA_FWMARK]):#x}")
    words.append(f"table {TABLES.get(table, table)}" if action == 1 else ACTIONS.get(action, f"action {action}"))
    plain = action == 1 and not {FRA_SRC, FRA_DST, FRA_IIFNAME, FRA_OIFNAME, FRA_FWMARK} & set(values)
    return (priority, table if plain else 0), " ".join(words)
