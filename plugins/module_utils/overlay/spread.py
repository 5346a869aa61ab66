# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Thousands of IPv4 routes in time that grows with their number, not with its square.

For each new route the kernel looks for one through the same next hop, among all that have its protocol, scope, source,
metric and device (fib_find_info() in net/ipv4/fib_semantics.c): with one device for all peers, among all of them. So
the routes of a large cluster are spread over scopes. Those from 1 to 199 are free to use (rtnetlink(7), rtm_scope); a
route of such a scope is one of scope global in all that a lookup asks for.
"""

from __future__ import annotations

from ..ipam.ip import parse_address
from ..netlink.route import Route
from .backend import Desired

#: With fewer peers the search is fast, and routes look like flannel's.
MANY = 1024
SCOPES = tuple(str(scope) for scope in range(1, 200))


def over_scopes(desired: Desired, peers: int) -> Desired:
    """``desired``, which may lead to some of the ``peers`` only: where these are many, each route through a gateway has
    a scope that is derived from the gateway."""
    if peers > MANY:
        for things in desired.peers.values():
            for thing in things:
                if isinstance(thing, Route) and thing.gateway and ":" not in thing.dst:
                    thing.scope = SCOPES[parse_address(thing.gateway)[1] % len(SCOPES)]
    return desired
