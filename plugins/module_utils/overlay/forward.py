# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody else's packet filter that drops what a node forwards: docker's FORWARD policy, a firewall's default.

Pods' packets are forwarded ones, so such a chain cuts pods off unless a rule of its accepts them. It is not ours to
change; it is ours to say.
"""

from __future__ import annotations

import socket
import struct

from ..netlink import nftables
from ..netlink.channel import Channel
from ..netlink.wire import NETLINK_NETFILTER

_GET_INFO, _GET_ENTRIES = 64, 65  # IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES, and IP6T_SO_… alike


def dropping_chains() -> list[str]:
    """The chains at the forward hook with policy drop, as nft names them ("ip filter FORWARD"), and those of
    iptables-legacy; none where the kernel has neither."""
    return _nftables() + _legacy()


def _nftables() -> list[str]:
    try:
        with Channel(NETLINK_NETFILTER) as channel:
            return nftables.dropping_chains(channel, nftables.HOOKS["forward"])
    except OSError:
        return []


def _legacy() -> list[str]:
    """The same of the tables of before nftables, asked of the kernel by getsockopt(2) as in
    linux/netfilter_ipv4/ip_tables.h. Only of a table that is there: the question itself would make one."""
    found = []
    for family, level, names, entry, title in (
        (socket.AF_INET, socket.IPPROTO_IP, "ip_tables_names", 84, "iptables-legacy filter FORWARD"),
        (socket.AF_INET6, socket.IPPROTO_IPV6, "ip6_tables_names", 136, "ip6tables-legacy filter FORWARD"),
    ):
        try:
            with open(f"/proc/net/{names}", encoding="ascii") as file:
                if "filter" in file.read().split() and _legacy_drops(family, level, entry):
                    found.append(title)
        except OSError:
            continue  # no such kernel, or no right to ask
    return found


def _legacy_drops(family: int, level: int, entry: int) -> bool:
    """Whether table filter's FORWARD ends in a drop; ``entry``: how long the first part of a family's rule is."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:

        def ask(option: int, question: bytes) -> bytes:
            buffer = ctypes.create_string_buffer(question, len(question))
            length = ctypes.c_uint32(len(question))
            if libc.getsockopt(raw.fileno(), level, option, buffer, ctypes.byref(length)):
                raise OSError(ctypes.get_errno(), "getsockopt")
            return buffer.raw

        # struct ipt_getinfo: name, valid hooks, where each hook's chain begins and its policy is, entries, bytes
        info = struct.unpack("=32sI5I5III", ask(_GET_INFO, struct.pack("=32s52x", b"filter")))
        policy, size = info[2 + 5 + nftables.HOOKS["forward"]], info[-1]
        # struct ipt_get_entries: name, bytes, padding; then the rules, of which the policy is the chain's last
        rules = ask(_GET_ENTRIES, struct.pack("=32sI4x", b"filter", size) + bytes(size))[40:]
    target = policy + struct.unpack_from("=H", rules, policy + entry + 4)[0]
    # struct xt_standard_target: after 32 bytes the verdict, -1 - NF_DROP
    return bool(struct.unpack_from("=i", rules, target + 32)[0] == -1)
