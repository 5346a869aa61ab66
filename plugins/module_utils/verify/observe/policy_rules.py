# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policy rules that somebody has added to the kernel's own: they may take a packet another way, or none."""

from __future__ import annotations

import struct
from typing import Any

from ...netlink.channel import Channel
from ...netlink.rule import FRA_PRIORITY, FRA_SRC, FRA_TABLE, INFO, RTM_GETRULE
from ...netlink.wire import NetlinkError, attr, attr_u32, number, parse, text, unpack_ip

# linux/fib_rules.h
FRA_DST, FRA_IIFNAME, FRA_FWMARK, FRA_FWMASK, FRA_OIFNAME = 1, 3, 10, 16, 17
FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE = 22, 23, 24
# linux/rtnetlink.h: the same of a packet whose route is asked for
RTA_MARK, RTA_IP_PROTO, RTA_SPORT, RTA_DPORT = 16, 27, 28, 29
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp"}
ACTIONS = {1: "table", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
#: The kernel's own: priority and table.
OWN = {2: ((0, 255), (32766, 254), (32767, 253)), 10: ((0, 255), (32766, 254))}
TABLES = {255: "local", 254: "main", 253: "default"}


def policy(channel: Channel) -> list[dict[str, Any]]:
    """Rules of others, as ``ip rule`` writes them: ``rule``, and ``cure``, which undoes it; ``packet``, what is told of
    a packet that such a rule is for besides its addresses ("mark 0x7", "" where a rule does not ask for that), and
    ``attributes``, the same for the kernel, in hexadecimal digits; and the kernel's own that are missing."""
    found = []
    for family, own in OWN.items():
        six = "-6 " if family == 10 else ""
        seen = set()
        try:
            payloads = channel.dump((RTM_GETRULE, 0, INFO.pack(family, 0, 0, 0, 0, 0, 0, 0, 0), "list rules"))
        except NetlinkError:
            continue  # a kernel without policy routing, or without IPv6
        for payload in payloads:
            key, words, packet, asked = _read(payload)
            seen.add(key)
            if key not in own:
                cure = f"ip {six}rule delete {words}"
                found.append({"rule": words, "cure": cure, "packet": packet, "attributes": asked.hex()})
        for priority, table in own:
            if (priority, table) not in seen and table != 253:
                words = f"pref {priority} table {TABLES[table]}"
                cure = f"ip {six}rule add {words}"
                found.append({"rule": f"none with {words}", "cure": cure, "packet": "", "attributes": ""})
    return found


def _read(payload: bytes) -> tuple[tuple[int, int], str, str, bytes]:
    """A rule's priority and table (0 where it has none), all of it in words, and the packets that it is for, besides
    their addresses, in words and as attributes of a question for a route."""
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
    packet, asked = [], b""
    if FRA_FWMARK in values and number(values.get(FRA_FWMASK, b"\0\0\0\0")):
        mark, mask = number(values[FRA_FWMARK]), number(values[FRA_FWMASK])
        words.append(f"fwmark {mark:#x}" + (f"/{mask:#x}" if mask != 0xFFFFFFFF else ""))
        packet, asked = [f"mark {mark:#x}"], attr_u32(RTA_MARK, mark)
    if FRA_IP_PROTO in values:
        name = PROTOCOLS.get(values[FRA_IP_PROTO][0], str(values[FRA_IP_PROTO][0]))
        words.append(f"ipproto {name}")
        packet.append(f"protocol {name}")
        asked += attr(RTA_IP_PROTO, values[FRA_IP_PROTO][:1])
    for attribute, word, answer in ((FRA_SPORT_RANGE, "sport", RTA_SPORT), (FRA_DPORT_RANGE, "dport", RTA_DPORT)):
        if attribute in values:
            first, last = struct.unpack("=HH", values[attribute])
            words.append(f"{word} {first}" + (f"-{last}" if last != first else ""))
            packet.append(f"{word} {first}")
            asked += attr(answer, first.to_bytes(2, "big"))
    words.append(f"table {TABLES.get(table, table)}" if action == 1 else ACTIONS.get(action, f"action {action}"))
    plain = action == 1 and not asked and not {FRA_SRC, FRA_DST, FRA_IIFNAME, FRA_OIFNAME} & set(values)
    return (priority, table if plain else 0), " ".join(words), " ".join(packet), asked
