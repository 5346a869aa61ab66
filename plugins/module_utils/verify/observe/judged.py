# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packets of flows, judged by this node's rules."""

from __future__ import annotations

from collections.abc import Iterable

from ...netlink.channel import Channel
from ...netlink.ruleset import walk
from ...netlink.ruleset.host import KernelNode
from ...netlink.ruleset.packet import ESTABLISHED, NEW, Packet
from ...netlink.ruleset.read import Rule, Ruleset
from ...netlink.wire import pack_ip
from ..model.judged import ICMP, NAMES, TCP, UDP, JudgedPacket, PacketOutcome, RuleState, Translation
from ..model.state import Attachment, NodeState
from .fib import Flow

#: The port of the side that begins: nobody's rule is about it.
_SOURCE_PORT = 40000


def judge(
    ruleset: Ruleset, channel: Channel, state: NodeState, attached: list[Attachment], flows: Iterable[Flow], port: int
) -> list[JudgedPacket]:
    """The first packets from each flow's source to its target, and the answers; those that come through this node."""
    node = KernelNode(channel)
    found = []
    for source, target in dict.fromkeys(flows):
        if (":" in source) != (":" in target):
            continue
        for one, other, reply in ((source, target, False), (target, source, True)):
            iif = _entrance(node, state, attached, one, other)
            if iif is None:
                continue
            for protocol in (ICMP, TCP, UDP):
                ports = (port, _SOURCE_PORT) if reply else (_SOURCE_PORT, port)
                packet = Packet(one, other, protocol, *ports, iif=iif, state=ESTABLISHED if reply else NEW)
                outcomes: list[PacketOutcome] = []
                for each in map(_outcome, walk.outcomes(ruleset, node, packet)):
                    if each not in outcomes:
                        outcomes.append(each)
                found.append(JudgedPacket(one, other, protocol, port, iif, reply, outcomes))
    return found


def ports_behind(
    ruleset: Ruleset, channel: Channel, sources: Iterable[str], targets: Iterable[str], port: int
) -> dict[tuple[str, str], int]:
    """Where what this node itself sends to ``port`` of these targets is translated to: the ports by address and kind
    ("tcp", "udp"). What translates addresses for pods does it for the node, too."""
    node, found = KernelNode(channel), {}
    for source in sources:
        for target in targets:
            for protocol in (TCP, UDP):
                if (":" in source) == (":" in target):
                    packet = Packet(source, target, protocol, _SOURCE_PORT, port, state=NEW)
                    for each in walk.outcomes(ruleset, node, packet):
                        if any(effect.kind == "dnat" for effect in each.effects):
                            found[each.packet.destination, NAMES[protocol].lower()] = each.packet.dport
    return found


def _entrance(node: KernelNode, state: NodeState, attached: list[Attachment], source: str, target: str) -> str | None:
    """The link by which the packet comes into this node, "" if it is the node's own, None if it does not pass."""
    own = {each.ip for each in state.addresses}
    if source in own:
        return ""
    for one in attached:
        if source in one.addresses:
            link = state.links.get(one.host)
            return (link.master if link else "") or one.bridge or state.cni.bridge or one.host
    here = target in own or any(target in one.addresses for one in attached)
    return node.interface_to(pack_ip(source)) if here else None


def _outcome(found: walk.Outcome) -> PacketOutcome:
    packet = found.packet
    return PacketOutcome(
        found.verdict,
        packet.source,
        packet.destination,
        packet.dport,
        found.hook,
        str(found.base.key) if found.base else "",
        _rule(found.rule) if found.rule else None,
        [Translation(each.kind, _rule(each.rule), each.address, each.port) for each in found.effects],
        [*found.unknown],
    )


def _rule(rule: Rule) -> RuleState:
    return RuleState(*rule.key, rule.handle, rule.comment)
