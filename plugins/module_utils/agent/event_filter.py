# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the kernel's events podnetd is woken for.

A pod that comes or goes causes some forty events, and none of them is about the overlay: links of pods, their ports'
states under the bridge's family, routes of the table "local", neighbors and sysctls of other devices. The kernel drops
them before the socket. What remains is judged by monitor.py, which would judge these to be nothing, too.
"""

from __future__ import annotations

import socket

from ..netlink import bpf, link, neighbour, route
from ..netlink.wire import S32, U16

RTM_NEWNETCONF, RTM_DELNETCONF = 80, 81  # linux/rtnetlink.h
#: linux/netlink.h: where struct nlmsghdr has the type, and where the body begins.
TYPE, BODY = 4, 16
#: The first attribute of a link's event is its name, IFLA_IFNAME: where its type and the name's first four bytes are.
NAME_TYPE, NAME = BODY + link.INFO.size + 2, BODY + link.INFO.size + 4
#: struct rtmsg: rtm_table; struct ndmsg: ndm_ifindex; after struct netconfmsg the first attribute, NETCONFA_IFINDEX.
TABLE, NEIGHBOUR_INDEX, NETCONF_INDEX = BODY + 4, BODY + 4, BODY + 4 + 4
#: How CNI plugins name the host's end of a pod's link: ours, the standard ones and others.
PODS = b"veth"
ALL = bpf.assemble([])


def program(device: int, pods_links: bool) -> bytes:
    """The classic BPF program where the overlay's device has this index. ``pods_links``: events of links whose names
    begin as those of pods do matter, too."""
    links, neighbours, routes, netconf = "links", "neighbors", "routes", "netconf"
    return bpf.assemble(
        [
            (bpf.HALF, TYPE),
            (bpf.EQUAL, _half(link.RTM_NEWLINK), links, ""),
            (bpf.EQUAL, _half(link.RTM_DELLINK), links, ""),
            (bpf.EQUAL, _half(route.RTM_NEWROUTE), routes, ""),
            (bpf.EQUAL, _half(route.RTM_DELROUTE), routes, ""),
            (bpf.EQUAL, _half(neighbour.RTM_NEWNEIGH), neighbours, ""),
            (bpf.EQUAL, _half(neighbour.RTM_DELNEIGH), neighbours, ""),
            (bpf.EQUAL, _half(RTM_NEWNETCONF), netconf, ""),
            (bpf.EQUAL, _half(RTM_DELNETCONF), bpf.DROP, bpf.TAKE),
            links,
            (bpf.BYTE, BODY),  # ifi_family
            (bpf.EQUAL, socket.AF_UNSPEC, bpf.TAKE if pods_links else "", bpf.DROP),
            (bpf.HALF, NAME_TYPE),
            (bpf.EQUAL, _half(link.IFLA_IFNAME), "", bpf.TAKE),
            (bpf.WORD, NAME),
            (bpf.EQUAL, int.from_bytes(PODS, "big"), bpf.DROP, bpf.TAKE),
            routes,
            (bpf.BYTE, TABLE),
            (bpf.EQUAL, route.RT_TABLE_MAIN, bpf.TAKE, bpf.DROP),
            neighbours,
            (bpf.WORD, NEIGHBOUR_INDEX),
            (bpf.EQUAL, _word(device), bpf.TAKE, bpf.DROP),
            netconf,
            (bpf.WORD, NETCONF_INDEX),
            (bpf.EQUAL, _word(-1), bpf.TAKE, ""),  # NETCONFA_IFINDEX_ALL
            (bpf.EQUAL, _word(device), bpf.TAKE, bpf.DROP),
        ]
    )


def _half(value: int) -> int:
    """A number of the host's order as a load finds it."""
    return int.from_bytes(U16.pack(value), "big")


def _word(value: int) -> int:
    return int.from_bytes(S32.pack(value), "big")
