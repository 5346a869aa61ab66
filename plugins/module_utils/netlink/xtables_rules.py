# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of iptables-legacy (``xtables``), removed one by one.

The kernel takes a table as a whole only (IPT_SO_SET_REPLACE, linux/netfilter_ipv4/ip_tables.h), so all who change one
hold the lock of iptables(8), and what is removed here is left out of a table that is otherwise the same. Counters begin
at zero in the new one; those of the old are added (IPT_SO_SET_ADD_COUNTERS).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import time
from collections.abc import Callable

from .xtables import HOOKS, Rule, Table, rules_of, tables

LOCK = "/run/xtables.lock"
PATIENCE = 10  # seconds: a tool may have thousands of rules in hand
SO_SET_REPLACE, SO_SET_ADD_COUNTERS = 64, 65
COUNTERS = 16  # struct xt_counters: packets and bytes, the last of what is before an entry's matches


class Replace(ctypes.Structure):
    """struct ipt_replace and ip6t_replace, without the entries that follow."""

    _fields_ = (
        ("name", ctypes.c_char * 32),
        ("valid_hooks", ctypes.c_uint),
        ("num_entries", ctypes.c_uint),
        ("size", ctypes.c_uint),
        ("hook_entry", ctypes.c_uint * 5),
        ("underflow", ctypes.c_uint * 5),
        ("num_counters", ctypes.c_uint),
        ("counters", ctypes.c_void_p),
    )


def remove(name: str, unwanted: Callable[[Rule], bool]) -> None:
    """Removes rules of the tables of that name, IPv4's and IPv6's; a chain goes with all its rules. Raises OSError,
    TimeoutError among them."""
    if not any(any(map(unwanted, rules_of(table))) for table in tables(name)):
        return
    with _Lock():
        for table in tables(name):
            rules = rules_of(table)
            kept = [rule for rule in rules if not unwanted(rule)]
            if len(kept) < len(rules):
                _replace(table, rules, kept)


def _replace(table: Table, rules: list[Rule], kept: list[Rule]) -> None:
    """Has the kernel take the rules that are kept for the table."""
    places, end, staying = {}, 0, {rule.place for rule in kept}
    for rule in rules:  # what led to a rule that goes leads to the next one
        places[rule.place] = end
        end += len(rule.data) if rule.place in staying else 0
    entries = b"".join(_moved(rule, places) for rule in kept)
    old = ctypes.create_string_buffer(COUNTERS * len(rules))
    head = Replace(table.name.encode(), table.mask, len(kept), len(entries))
    for number, hook in enumerate(HOOKS):
        if hook in table.starts:
            head.hook_entry[number] = places[table.starts[hook]]
            head.underflow[number] = places[table.policies[hook]]
    head.num_counters, head.counters = len(rules), ctypes.addressof(old)
    with socket.socket(table.family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.setsockopt(table.level, SO_SET_REPLACE, bytes(head) + entries)
        counted = [
            old.raw[number * COUNTERS : (number + 1) * COUNTERS]
            for number, rule in enumerate(rules)
            if rule.place in staying
        ]
        # struct xt_counters_info
        info = struct.pack("@32sI4x", table.name.encode(), len(kept))
        raw.setsockopt(table.level, SO_SET_ADD_COUNTERS, info + b"".join(counted))


def _moved(rule: Rule, places: dict[int, int]) -> bytes:
    """The rule with the new place of the rule that it leads to."""
    if rule.verdict < 0:
        return rule.data
    return rule.data[: rule.jump] + struct.pack("=i", places[rule.verdict]) + rule.data[rule.jump + 4 :]


class _Lock:
    """iptables' lock, held during the ``with``. Raises TimeoutError."""

    def __enter__(self) -> None:
        self.file = os.open(LOCK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > end:
                    os.close(self.file)
                    raise TimeoutError(f"{LOCK} is held by another process") from None
            time.sleep(0.05)

    def __exit__(self, *_exc: object) -> None:
        os.close(self.file)
