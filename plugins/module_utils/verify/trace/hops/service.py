# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Service's address on a node: what kube-proxy's rules make of it there, and others' rules before and after them.

The node has evaluated its rules for a connection's first packet (``state.judged``): kube-proxy's mode and release do
not matter here, only whether a rule is kube-proxy's and where the packet goes.
"""

from __future__ import annotations

from collections.abc import Iterable

from ....findings.codes import Code
from ....findings.finding import Value
from ...model.endpoint import Endpoint
from ...model.hop import Hop, Step
from ...model.judged import NAMES, JudgedPacket, PacketOutcome, Translation
from ...model.state import PodState
from .netfilter import LOSING, POLICIES, UNROUTED, dropped
from .node_view import NodeView

#: The cluster's DNS, whoever answers behind it.
DNS = "kube-system/kube-dns"
#: What changes where a packet goes.
DIVERTING = ("dnat", "redirect")
#: So many outcomes and more may not be all (``netlink.ruleset.choices``).
MANY = 256


def service(view: NodeView, source: str, target: Endpoint) -> Hop:
    """The Service ``target`` on a node that a packet from ``source`` comes to, by the ports that were judged."""
    hop = Hop(view.node, Step.SERVICE, str(target), desired=f"one of {', '.join(target.backends) or 'no endpoints'}")
    offered = target.protocols or ("TCP", "UDP")
    packets = [each for each in view.judged(source, target.address) if NAMES[each.protocol] in offered]
    known = [each for each in packets if any(_of_kube_proxy(outcome) for outcome in each.outcomes)]
    used = packets if target.protocols else known or packets[:1]
    hop.actual = "; ".join(f"{NAMES[each.protocol]} to {_ends(each.outcomes)}" for each in used) or "not evaluated"
    if not target.backends and not reached(used):
        return hop.fail(Code.SERVICE_NO_ENDPOINTS, target.name, **names(target.name))
    at_node = not target.node or target.node == view.node  # a node port is translated where it arrives
    here = any(view.pod_with(address) for address in target.backends)
    if at_node and target.local and not here and not reached(used):
        return hop.fail(Code.SERVICE_NO_LOCAL_ENDPOINTS, target.name, **names(target.name))
    for each in used:
        # a port of one protocol alone is not translated for the others
        for code, parameters in _faults(each, target, at_node and (each in known or not known)):
            shown = {"protocol": NAMES[each.protocol], "address": target.address, "port": each.port, **parameters}
            if any(outcome.unknown for outcome in each.outcomes):
                hop.suspect(code, target.name, **shown)
            else:
                hop.fail(code, target.name, **shown)
    if not packets and at_node:
        _unevaluated(hop, view, target)
    return hop


def resolver(hop: Hop, pod: PodState | None, target: Endpoint) -> None:
    """Where the target is the cluster's DNS: whether the pod asks it, or a cache on its node (NodeLocal DNSCache)."""
    if target.name != DNS or pod is None or not pod.nameservers or target.address in pod.nameservers:
        return
    if not any(address.startswith(("169.254.", "fe80:")) for address in pod.nameservers):
        more = names(pod.name)
        hop.fail(Code.RESOLVER_OTHER, pod.name, actual=pod.nameservers, expected=target.address, **more)


def names(service_name: str) -> dict[str, Value]:
    """What kubectl calls a Service."""
    namespace, _slash, name = service_name.rpartition("/")
    return {"namespace": namespace or "default", "name": name}


def _unevaluated(hop: Hop, view: NodeView, target: Endpoint) -> None:
    """A state without evaluated packets: whether anything translates addresses at all."""
    if not any(chain.translates and chain.hook == "prerouting" for chain in view.state.chains):
        hop.suspect(Code.SERVICE_NO_DNAT, target.name)


def _faults(packet: JudgedPacket, target: Endpoint, at_node: bool) -> list[tuple[Code, dict[str, Value]]]:
    """What is wrong with a packet's outcomes, the nearest to its cause first."""
    found: list[tuple[Code, dict[str, Value]]] = []
    for outcome in packet.outcomes:
        untracked, translated = outcome.translation("notrack"), outcome.translation(*DIVERTING)
        if outcome.verdict == UNROUTED and not packet.iif and not translated:
            found.append((Code.SERVICE_NO_ROUTE, {}))
        elif untracked and not translated:
            found.append((Code.SERVICE_UNTRACKED, _by(untracked)))
        elif outcome.verdict in LOSING and outcome.chain.split()[1] != POLICIES:
            if outcome.rule and outcome.rule.of_kube_proxy and not translated:
                if target.backends:
                    found.append((Code.SERVICE_REFUSED, {"rule": str(outcome.rule), "expected": [*target.backends]}))
            else:
                found.append((Code.SERVICE_DROPPED, {**dropped(outcome), "chain": outcome.chain}))
        elif translated and not translated.rule.of_kube_proxy and translated.address not in target.backends:
            found.append((Code.SERVICE_DIVERTED, {**_by(translated), "actual": translated.address}))
        elif not translated and at_node and outcome.verdict not in LOSING:
            found.append((Code.SERVICE_NO_DNAT, {}))
        elif translated and outcome.destination == outcome.source == packet.source:
            found.append((Code.SERVICE_NO_HAIRPIN_SNAT, {"source": packet.source}))
    led_to = reached([packet])
    stale = sorted(led_to - {*target.backends})
    if target.backends and stale and not found:
        found.append((Code.SERVICE_STALE, {"actual": stale, "expected": [*target.backends]}))
    missing = [each for each in target.backends if each not in led_to]
    if led_to and missing and not found and not target.local and len(packet.outcomes) < MANY:
        found.append((Code.SERVICE_INCOMPLETE, {"actual": sorted(led_to), "missing": missing}))
    unique: dict[Code, dict[str, Value]] = {}
    for code, parameters in found:
        unique.setdefault(code, parameters)
    return [*unique.items()]


def reached(packets: Iterable[JudgedPacket]) -> set[str]:
    """The addresses that kube-proxy's rules lead to."""
    translations = (outcome.translation("dnat") for packet in packets for outcome in packet.outcomes)
    return {each.address for each in translations if each and each.rule.of_kube_proxy}


def _of_kube_proxy(outcome: PacketOutcome) -> bool:
    """Whether kube-proxy's rules decide on the packet."""
    rules = [outcome.rule, *(each.rule for each in outcome.translations if each.kind in DIVERTING)]
    return any(rule and rule.of_kube_proxy for rule in rules)


def _by(translation: Translation) -> dict[str, Value]:
    return {"rule": str(translation.rule), "command": translation.rule.removal}


def _ends(outcomes: list[PacketOutcome]) -> str:
    ends = {f"{each.destination}:{each.port}" if each.verdict == "accept" else each.verdict for each in outcomes}
    return ", ".join(sorted(ends))
