# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who on a node may drop a packet. Never broken by itself: what a rule matches only the kernel knows."""

from __future__ import annotations

from typing import Any

from .base import Hop
from .look import Look


def packet_filter(look: Look, step: str, hooks: tuple[str, ...], version: int, devices: list[str]) -> Hop:
    """Chains at these hooks of the IP layer, and whatever is on these devices: on a bridge and its ports, the chains of
    the families bridge and arp, too."""
    hop = Hop(look.node, step, f"packet filter ({', '.join(hooks)})", wanted="nothing that drops pods' packets")
    bridged = any(link["kind"] == "bridge" or link["master"] for link in map(look.links.get, devices) if link)
    for chain in look.state["filters"]:
        # what kube-proxy and the kubelet drop is marked or invalid: no reason to look askance at a healthy node
        usual = not chain["policy"] and all(name.startswith("KUBE-") for name in chain["in"])
        if chain["drops"] and not usual and _concerns(chain, hooks, version, devices, bridged):
            hop.doubt(told_chain(chain), filter_cure(chain))
    for chain in look.state["filters"]:
        if chain["rewrites"] and not chain["drops"] and _concerns(chain, hooks, version, devices, bridged):
            hop.doubt(told_chain(chain), filter_cure(chain))
    for policy in look.state["transforms"]:
        if policy["hook"] in hooks:
            told = "drops" if policy["drops"] else "encrypts"
            hop.doubt(f"an IPsec policy {told}: {policy['text']}", f"ip xfrm policy delete {policy['text']}")
    for entry in look.state["classifiers"]:
        if entry["dev"] in devices:
            hop.doubt(*told_classifier(entry))
    hop.found = "; ".join(hop.suspects) or "nothing drops"
    return hop


def _concerns(chain: dict[str, Any], hooks: tuple[str, ...], version: int, devices: list[str], bridged: bool) -> bool:
    """Whether a packet of that IP version comes by a chain at these hooks and devices."""
    family = chain["family"]
    if family == "netdev":
        return bool(set(chain["devices"]) & set(devices))
    if family in ("bridge", "arp"):
        return bridged and (family != "arp" or version == 4)
    of_version = ("ip", "iptables-legacy") if version == 4 else ("ip6", "ip6tables-legacy")
    return chain["hook"] in hooks and (family == "inet" or family in of_version)


def told_classifier(entry: dict[str, str]) -> tuple[str, str]:
    """Classifiers or an unusual queue on a link, and what takes it away."""
    dev, kind = entry["dev"], entry["kind"]
    if kind in ("ingress", "clsact"):
        cure = f"look at tc -s filter show dev {dev} ingress (and egress), then tc qdisc delete dev {dev} {kind}"
        return f"{dev} has classifiers ({kind})", cure
    return f"{dev} has the queue {kind}", f"tc qdisc delete dev {dev} root"


def told_chain(chain: dict[str, Any]) -> str:
    where = f"chain {chain['family']} {chain['table']} {chain['chain']} ({chain['hook']})"
    if not chain["drops"]:
        return f"{where} has rules that rewrite packets"
    return f"{where} has the policy drop" if chain["policy"] else f"{where} has rules that drop"


def filter_cure(chain: dict[str, Any]) -> str:
    if chain["family"].endswith("-legacy"):
        if chain["policy"]:
            return f"{chain['family']} -P {chain['chain']} ACCEPT, or a rule there that accepts the pod network"
        return f"{chain['family']} -t {chain['table']} -S {chain['chain']}: accept the pod network there"
    where = f"{chain['family']} {chain['table']} {chain['chain']}"
    if chain["policy"] and chain["table"] == "filter" and chain["chain"].isupper():
        return f"iptables -P {chain['chain']} ACCEPT, or a rule in {where} that accepts the pod network"
    return f"nft list chain {where}: accept the pod network there"
