# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Foreign packet filters that drop forwarded packets: docker's FORWARD policy, a firewall's default.

Pods' packets are forwarded, so such a chain cuts pods off unless one of its rules accepts them. It is
reported, not changed.
"""

from __future__ import annotations

from ..netlink import nftables, xtables
from ..netlink.channel import Channel
from ..netlink.wire import NETLINK_NETFILTER


def dropping_chains() -> list[str]:
    """The chains at the forward hook with policy drop, as nft names them ("ip filter FORWARD"), and those of
    iptables-legacy; none if the kernel has neither."""
    return _nftables() + _legacy()


def _nftables() -> list[str]:
    try:
        with Channel(NETLINK_NETFILTER) as channel:
            return nftables.dropping_chains(channel, nftables.HOOKS["forward"])
    except OSError:
        return []


def _legacy() -> list[str]:
    """The same of iptables' own tables."""
    dropping = (table for table in xtables.tables("filter") if table.policy_drops("forward"))
    return [f"{table.tool} filter FORWARD" for table in dropping]
