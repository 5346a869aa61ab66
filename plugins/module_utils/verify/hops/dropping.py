# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who on a node may drop a packet. Never broken by itself: what a rule matches only the kernel knows."""

from __future__ import annotations

from typing import Any

from .base import Hop
from .look import Look


def packet_filter(look: Look, step: str, hooks: tuple[str, ...], version: int, devices: list[str]) -> Hop:
    """Chains of others that may drop the packet. Never broken by itself: what a rule matches only the kernel knows."""
    hop = Hop(look.node, step, f"packet filter ({', '.join(hooks)})", wanted="nothing that drops pods' packets")
    families = ("inet", "ip" if version == 4 else "ip6", "bridge", "netdev")
    for chain in look.state["filters"]:
        legacy = chain["family"] == "iptables-legacy" and version == 4
        # what kube-proxy and the kubelet drop is marked or invalid: no reason to look askance at a healthy node
        usual = not chain["policy"] and all(name.startswith("KUBE-") for name in chain["in"])
        if chain["drops"] and not usual and chain["hook"] in hooks and (chain["family"] in families or legacy):
            hop.doubt(told_chain(chain), filter_cure(chain))
    for entry in look.state["classifiers"]:
        if entry["dev"] in devices:
            hop.doubt(f"{entry['dev']} has classifiers ({entry['kind']})", f"tc filter show dev {entry['dev']} ingress")
    hop.found = "; ".join(hop.suspects) or "nothing drops"
    return hop


def told_chain(chain: dict[str, Any]) -> str:
    where = f"chain {chain['family']} {chain['table']} {chain['chain']} ({chain['hook']})"
    return f"{where} has the policy drop" if chain["policy"] else f"{where} has rules that drop"


def filter_cure(chain: dict[str, Any]) -> str:
    if chain["family"] == "iptables-legacy":
        return f"iptables-legacy -P {chain['chain']} ACCEPT, or a rule there that accepts the pod network"
    where = f"{chain['family']} {chain['table']} {chain['chain']}"
    if chain["policy"] and chain["table"] == "filter" and chain["chain"].isupper():
        return f"iptables -P {chain['chain']} ACCEPT, or a rule in {where} that accepts the pod network"
    return f"nft list chain {where}: accept the pod network there"
