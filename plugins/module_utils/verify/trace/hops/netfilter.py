# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who on a node may drop a packet. Never broken by itself: what a rule matches only the kernel knows."""

from __future__ import annotations

from ....converge.sysctls import dotted_name
from ....findings.codes import Code
from ....findings.finding import Finding
from ...model.hop import Hop, Step
from ...model.kernel import BaseChain, Qdisc
from .node_view import NodeView


def packet_filter(view: NodeView, step: Step, hooks: tuple[str, ...], version: int, devices: list[str]) -> Hop:
    """Chains at these hooks of the IP layer, and whatever is on these devices: on a bridge and its ports, the chains of
    the families bridge and arp, too."""
    hop = Hop(view.node, step, f"packet filter ({', '.join(hooks)})", desired="drops no pods' packets")
    links = [view.links[name] for name in devices if name in view.links]
    bridged = any(link.kind == "bridge" or link.master for link in links)
    concerned = [each for each in view.state.chains if _concerns(each, hooks, version, devices, bridged)]
    usual = [chain for chain in concerned if chain.drops and _usual(chain)]
    # what drops comes first: it is the likelier one
    for chain in sorted(concerned, key=lambda chain: not chain.drops):
        if chain not in usual and (chain.drops or chain.rewrites):
            suspect_chain(hop, chain, view.node)
    for policy in view.state.xfrm_policies:
        if policy.hook in hooks:
            hop.suspect(Code.XFRM_POLICY_BLOCKS if policy.drops else Code.XFRM_POLICY_TRANSFORMS, str(policy))
    for qdisc in view.state.qdiscs:
        if qdisc.dev in devices:
            suspect_qdisc(hop, qdisc, view.node)
    tracked, most = (int(view.sysctl(f"net/netfilter/nf_conntrack_{name}") or 0) for name in ("count", "max"))
    if tracked >= most > 0:
        key = dotted_name("net/netfilter/nf_conntrack_max")
        hop.suspect(Code.CONNTRACK_FULL, key, count=tracked, max=most, more=2 * most)
    hop.actual = ", ".join(found.subject for found in hop.suspected) or "drops nothing"
    for chain in usual:
        more = {"hook": chain.hook, "place": view.node, "command": _command(chain)}
        hop.unlikely.append(Finding(Code.CHAIN_OF_KUBERNETES_DROPS, view.node, str(chain), more))
    return hop


def suspect_chain(hop: Hop, chain: BaseChain, place: str, enter: str = "") -> None:
    """Enter a chain that may drop or change packets, on a node or in a pod (``place``, which ``enter`` leads to)."""
    code = Code.CHAIN_TRANSLATES
    if chain.drops:
        code = Code.CHAIN_POLICY_DROP if chain.policy_drops else Code.CHAIN_DROPS
    elif chain.rewrites:
        code = Code.CHAIN_REWRITES
    hop.suspect(code, str(chain), hook=chain.hook, place=place, command=enter + _command(chain))


def suspect_qdisc(hop: Hop, qdisc: Qdisc, place: str, enter: str = "") -> None:
    """Enter classifiers or an unusual queue on a link."""
    code = Code.QDISC_CLASSIFIERS if qdisc.kind in ("ingress", "clsact") else Code.QDISC_UNUSUAL
    hop.suspect(code, qdisc.dev, kind=qdisc.kind, place=place, enter=enter)


def _usual(chain: BaseChain) -> bool:
    """Whether it is kube-proxy or the kubelet who drops there: what is marked or invalid, and so no reason to view
    askance at a healthy node."""
    kubernetes = chain.table == "kube-proxy" or all(name.startswith("KUBE-") for name in chain.dropping)
    return kubernetes and not chain.policy_drops


def _concerns(chain: BaseChain, hooks: tuple[str, ...], version: int, devices: list[str], bridged: bool) -> bool:
    """Whether a packet of that IP version comes by a chain at these hooks and devices."""
    family = chain.family
    if family == "netdev" or chain.devices:
        return bool(set(chain.devices) & set(devices))
    if family in ("bridge", "arp"):
        return bridged and (family != "arp" or version == 4)
    of_version = ("ip", "iptables-legacy") if version == 4 else ("ip6", "ip6tables-legacy")
    return chain.hook in hooks and (family == "inet" or family in of_version)


def _command(chain: BaseChain) -> str:
    """What shows the chain's rules, or undoes its policy."""
    tools = {"ip": "iptables", "ip6": "ip6tables"}
    legacy = chain.family.endswith("-legacy")
    of_iptables = chain.table == "filter" and chain.chain.isupper() and chain.family in tools
    if chain.policy_drops and (legacy or of_iptables):
        return f"{tools.get(chain.family, chain.family)} -P {chain.chain} ACCEPT"
    if chain.policy_drops:
        return f"nft add chain {chain} '{{ policy accept; }}'"
    return f"{chain.family} -t {chain.table} -S {chain.chain}" if legacy else f"nft list chain {chain}"
