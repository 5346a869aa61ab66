# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who on a node may drop a packet. Never broken by itself: what a rule matches only the kernel knows."""

from __future__ import annotations

from typing import Any

from ...model.hop import Hop
from .node_view import Look


def packet_filter(look: Look, step: str, hooks: tuple[str, ...], version: int, devices: list[str]) -> Hop:
    """Chains at these hooks of the IP layer, and whatever is on these devices: on a bridge and its ports, the chains of
    the families bridge and arp, too."""
    hop = Hop(look.node, step, f"packet filter ({', '.join(hooks)})", wanted="nothing that drops pods' packets")
    bridged = any(link["kind"] == "bridge" or link["master"] for link in map(look.links.get, devices) if link)
    concerned = [each for each in look.state["filters"] if _concerns(each, hooks, version, devices, bridged)]
    usual = [chain for chain in concerned if chain["drops"] and _usual(chain)]
    for chain in concerned:
        if chain["drops"] and chain not in usual:
            hop.doubt(told_chain(chain), filter_cure(chain))
    for chain in concerned:
        if chain["rewrites"] and not chain["drops"]:
            hop.doubt(told_chain(chain), filter_cure(chain))
    for policy in look.state["transforms"]:
        if policy["hook"] in hooks:
            told = "drops" if policy["drops"] else "encrypts"
            hop.doubt(f"an IPsec policy {told}: {policy['text']}", f"ip xfrm policy delete {policy['text']}")
    for entry in look.state["classifiers"]:
        if entry["dev"] in devices:
            hop.doubt(*told_classifier(entry))
    tracked, most = (int(look.sysctl(f"net/netfilter/nf_conntrack_{name}") or 0) for name in ("count", "max"))
    if tracked >= most > 0:
        told = (
            f"{tracked} connections are tracked, and no more may be (nf_conntrack_max): new ones' packets are dropped"
        )
        hop.doubt(
            told, f"sysctl -w net.netfilter.nf_conntrack_max={2 * most}, and look who makes so many: conntrack -L"
        )
    hop.found = "; ".join(hop.suspects) or "nothing drops"
    hop.suspects += [told_chain(chain) for chain in usual]  # of last resort
    return hop


def _usual(chain: dict[str, Any]) -> bool:
    """Whether it is kube-proxy or the kubelet who drops there: what is marked or invalid, and so no reason to look
    askance at a healthy node."""
    kubernetes = chain["table"] == "kube-proxy" or all(name.startswith("KUBE-") for name in chain["in"])
    return kubernetes and not chain["policy"]


def _concerns(chain: dict[str, Any], hooks: tuple[str, ...], version: int, devices: list[str], bridged: bool) -> bool:
    """Whether a packet of that IP version comes by a chain at these hooks and devices."""
    family = chain["family"]
    if family == "netdev" or chain["devices"]:
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
        return f"{where} has rules that {'rewrite' if chain['rewrites'] else 'translate'} packets"
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
