# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A policy's rules for people: what of them a chain's lines no longer show."""

from __future__ import annotations

from collections.abc import Iterable

from .explanation import BlockText, PeerText, PortText, RuleText
from .model import PROTOCOLS, Peer, Rule
from .selectors import EXISTS, IN, NOT_IN, Requirement, Selector

NAMES = {number: name for name, number in PROTOCOLS.items()}


def rules(found: Iterable[Rule]) -> tuple[RuleText, ...]:
    """Each rule, in its order, without what it matches."""
    return tuple(_rule(number, each) for number, each in enumerate(found, 1))


def selector(found: Selector) -> str:
    """A selector as ``kubectl --selector`` takes it; "" selects everything."""
    return ",".join(map(_requirement, found.requirements))


def _rule(number: int, found: Rule) -> RuleText:
    ports = tuple(PortText(NAMES.get(each.protocol, ""), each.first, each.last, each.name) for each in found.ports)
    if found.peers is None:
        return RuleText(number, found.action, None, None, ports)
    blocks = tuple(BlockText(str(each.cidr), tuple(map(str, each.excepts))) for each in found.blocks)
    return RuleText(number, found.action, tuple(map(_peer, found.peers)), blocks, ports)


def _peer(found: Peer) -> PeerText:
    if found.namespace:
        return PeerText(selector(found.pods), found.namespace)
    return PeerText(selector(found.pods), namespaces=selector(found.namespaces))


def _requirement(found: Requirement) -> str:
    if found.operator == IN and len(found.values) == 1:
        return f"{found.key}={found.values[0]}"
    if found.operator in (IN, NOT_IN):
        return f"{found.key} {'in' if found.operator == IN else 'notin'} ({','.join(found.values)})"
    return found.key if found.operator == EXISTS else f"!{found.key}"
