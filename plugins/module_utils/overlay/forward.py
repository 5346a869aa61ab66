# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Foreign packet filters that drop pods' packets: docker's FORWARD policy, firewalld's last rule.

Pods' packets are forwarded, so such a chain cuts pods off unless one of its rules accepts them. It is
reported, not changed.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..ipam.prefix import Prefix
from ..netlink.channel import Channel
from ..netlink.ruleset.read import Base, Ruleset
from .config import Config

#: The first words of chains that see no packet of the IP version.
OF_OTHER_VERSION = {4: ("ip6", "ip6tables-legacy"), 6: ("ip", "iptables-legacy")}
#: The tables that are ours: what they drop is a policy's word.
_OURS = ("podnet", "podnet_policy")
#: The links that pods' packets come by and leave by, where the configuration names none.
_BRIDGE, _TUNNEL = "cni0", "flannel.1"


def dropping_chains(config: Config, device: str | None = None) -> list[str]:
    """The chains at the forward hook that drop or reject what one pod sends to another node's by ``device``, as nft
    names them ("ip filter FORWARD"); none where the kernel has no packet filter."""
    try:
        with Ruleset() as ruleset:
            bases = [base for base in ruleset.bases() if base.hook == "forward" and base.key.table not in _OURS]
            return _dropping(ruleset, bases, config, device or _TUNNEL) if bases else []
    except OSError:
        return []


def _dropping(ruleset: Ruleset, bases: list[Base], config: Config, device: str) -> list[str]:
    """Each base chain asked by itself: the first that drops hides no other."""
    from ..netlink.ruleset.host import KernelNode  # with the evaluator, which few nodes need here
    from ..netlink.ruleset.packet import TCP, Packet
    from ..netlink.ruleset.verdicts import DROP, REJECT
    from ..netlink.ruleset.walk import at_base

    found: set[str] = set()
    with Channel() as channel:
        node = KernelNode(channel)
        for network in config.networks:
            packet = Packet(network.address(2), network.address(3), TCP, 40000, 80, iif=config.bridge or _BRIDGE)
            packet.oif = device
            for base in bases:
                if all(one.verdict in (DROP, REJECT) for one in at_base(ruleset, node, packet, base)):
                    found.add(str(base.key))
    return sorted(found)


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
