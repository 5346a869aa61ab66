# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who on a node may drop a packet. Never broken by itself: what a rule matches only the kernel knows."""

from __future__ import annotations

from ....converge.sysctls import dotted_name
from ....findings.codes import Code
from ....findings.finding import Finding, Value
from ...model.evidence import RuleDrop
from ...model.hop import Hop, Step
from ...model.judged import NAMES, JudgedPacket, PacketOutcome
from ...model.kernel import BaseChain, Qdisc
from .node_view import NodeView

#: The table whose drops are explained as policies; the families whose chains see frames, or see the packet on other
#: links than the one that it is judged at.
POLICIES = "podnet_policy"
UNJUDGED = ("bridge", "arp", "netdev")
DROPPING = (Code.PACKET_DROPPED, Code.CHAIN_DROPS, Code.CHAIN_POLICY_DROP)
LOSING, UNROUTED = ("drop", "reject", "queue", "stolen"), "unrouted"


def packet_filter(
    view: NodeView,
    step: Step,
    hooks: tuple[str, ...],
    version: int,
    devices: list[str],
    ends: tuple[str, str] = ("", ""),
) -> Hop:
    """Chains at these hooks of the IP layer, and whatever is on these devices: on a bridge and its ports, the chains of
    the families bridge and arp, too. What the rules do with packets between the ``ends`` (source, target), where that
    was judged, comes first; a chain in which none of them ends is no suspect."""
    hop = Hop(view.node, step, f"packet filter ({', '.join(hooks)})", desired="drops no pods' packets")
    links = [view.links[name] for name in devices if name in view.links]
    bridged = any(link.kind == "bridge" or link.master for link in links)
    concerned = [each for each in view.state.chains if _concerns(each, hooks, version, devices, bridged)]
    usual = [chain for chain in concerned if chain.drops and _usual(chain)]
    judged = view.judged(*ends)
    losses(hop, judged, hooks, view.node)
    ended = {outcome.chain for each in judged for outcome in each.outcomes if outcome.verdict in LOSING}
    # what drops comes first: it is the likelier one
    for chain in sorted(concerned, key=lambda chain: not chain.drops):
        unjudged = not judged or chain.family in UNJUDGED or bool(chain.devices)
        drops = chain.drops and (unjudged or str(chain) in ended)
        if chain not in usual and (drops or chain.rewrites):
            suspect_chain(hop, chain, view.node, drops=drops)
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


def losses(hop: Hop, judged: list[JudgedPacket], hooks: tuple[str, ...], place: str) -> None:
    """Enter the rules, and policies of chains, at these hooks by which packets end whatever else happens."""
    found: dict[tuple[str, str], tuple[PacketOutcome, JudgedPacket, list[str]]] = {}
    for packet in judged:
        definite = [each for each in packet.outcomes if each.verdict in LOSING and not each.unknown]
        if len(definite) < len(packet.outcomes):
            continue
        for each in definite[:1]:
            if each.hook in hooks and each.chain.split()[1] != POLICIES:
                known = found.setdefault((each.chain, str(each.rule)), (each, packet, []))
                known[2].append(NAMES[packet.protocol])
    for (chain, _rule), (each, packet, packets) in found.items():
        hop.suspect(Code.PACKET_DROPPED, chain, **dropped(each), packets=packets, target=packet.target, place=place)


def dropped(outcome: PacketOutcome) -> dict[str, Value]:
    """By what a packet ends, and the command against it."""
    family, table, chain = outcome.chain.split()
    policy = _command(BaseChain(family, table, chain, outcome.hook, policy_drops=True))
    rule = outcome.rule
    return {
        "rule": str(rule) if rule else "its policy", "hook": outcome.hook, "command": rule.removal if rule else policy,
        "verdict": outcome.verdict,
    }  # fmt: skip


def prove(hop: Hop, drops: list[RuleDrop], chains: list[BaseChain]) -> None:
    """Where the hop is blamed on a chain that drops: the one that the kernel says has dropped packets comes first,
    and is noted. ``chains``: the node's, from which rules may lead to others."""
    named = [each for each in (hop.finding, *hop.suspected) if each]
    if not named or named[0].code not in DROPPING:
        return
    for drop in drops:
        bases = {
            str(each)
            for each in chains
            if (each.family, each.table) == (drop.family, drop.table) and drop.chain in (each.chain, *each.dropping)
        }
        found = next((each for each in named if each.code in DROPPING and each.subject in bases), None)
        if found:
            hop.finding, hop.suspected = found, [each for each in named if each is not found]
            rule = f"handle {drop.handle}" if drop.handle else "its policy"
            subject = f"{drop.family} {drop.table} {drop.chain}"
            hop.notes.append(Finding(Code.RULE_DROP_TRACED, hop.node, subject, {"rule": rule, "packets": drop.packets}))
            return


def suspect_chain(hop: Hop, chain: BaseChain, place: str, enter: str = "", drops: bool | None = None) -> None:
    """Enter a chain that may drop or change packets, on a node or in a pod (``place``, which ``enter`` leads to)."""
    code = Code.CHAIN_TRANSLATES
    if chain.drops if drops is None else drops:
        code = Code.CHAIN_POLICY_DROP if chain.policy_drops else Code.CHAIN_DROPS
    elif chain.rewrites:
        code = Code.CHAIN_REWRITES
    hop.suspect(code, str(chain), hook=chain.hook, place=place, command=enter + _command(chain))


def suspect_qdisc(hop: Hop, qdisc: Qdisc, place: str, enter: str = "") -> None:
    """Enter classifiers or an unusual queue on a link."""
    code = Code.QDISC_CLASSIFIERS if qdisc.kind in ("ingress", "clsact") else Code.QDISC_UNUSUAL
    hop.suspect(code, qdisc.dev, kind=qdisc.kind, place=place, enter=enter)


def _usual(chain: BaseChain) -> bool:
    """Whether kube-proxy or the kubelet drops there: packets that are marked or invalid, so it is no suspect on a
    healthy node."""
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
