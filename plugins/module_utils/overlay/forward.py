# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Foreign packet filters that drop forwarded packets: docker's FORWARD policy, firewalld's last rule.

Pods' packets are forwarded, so such a chain cuts pods off unless one of its rules accepts them. It is
reported, not changed.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..ipam.prefix import Prefix
from ..netlink import nftables, xtables
from ..netlink.channel import Channel
from ..netlink.wire import NETLINK_NETFILTER
from . import chain_end

#: The first words of chains that see no packet of the IP version.
OF_OTHER_VERSION = {4: ("ip6", "ip6tables-legacy"), 6: ("ip", "iptables-legacy")}


def dropping_chains() -> list[str]:
    """The chains at the forward hook that drop by their policy or by a rule without a condition, as nft names them
    ("ip filter FORWARD"), and those of iptables-legacy; none if the kernel has neither."""
    return _nftables() + _legacy()


def accept(chain: str, networks: Iterable[Prefix]) -> str:
    """The commands by which one of these chains accepts what comes from and goes to ``networks``."""
    tool, table, _chain = chain.split()
    if table == "firewalld":  # it forgets rules that it did not make
        trusted = [f"firewall-cmd --permanent --zone=trusted --add-source={network}" for network in networks]
        return "; ".join([*trusted, "firewall-cmd --reload"])
    commands = []
    for network in networks:
        if tool in OF_OTHER_VERSION[network.version]:
            continue
        for side in "sd":
            if tool.endswith("legacy"):
                commands.append(f"{tool} -I FORWARD -{side} {network} -j ACCEPT")
            else:
                family = "ip" if network.version == 4 else "ip6"
                commands.append(f"nft insert rule {chain} {family} {side}addr {network} accept")
    return "; ".join(commands)


def _nftables() -> list[str]:
    try:
        with Channel(NETLINK_NETFILTER) as channel:
            return chain_end.dropping(channel, nftables.HOOKS["forward"])
    except OSError:
        return []


def _legacy() -> list[str]:
    """The same of iptables' own tables."""
    dropping = (table for table in xtables.tables("filter") if table.ends_dropping("forward"))
    return [f"{table.tool} filter FORWARD" for table in dropping]
