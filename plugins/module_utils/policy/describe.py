# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A policy's rules as JSON, for people: what of them a chain's lines no longer show.

    {"action": "accept", "pods": [{"namespaces": SELECTOR, "pods": SELECTOR}], "blocks": [{"cidr": "10.0.0.0/8",
     "excepts": []}], "ports": [{"protocol": "TCP", "first": 80, "last": 80, "name": ""}]}

``pods`` and ``blocks`` are null where every address is meant, ``ports`` is empty for every protocol and port. A
SELECTOR is written as kubectl takes it, "" for all; instead of ``namespaces`` stands ``namespace`` for a single one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .model import PROTOCOLS, Peer, Rule
from .selectors import EXISTS, IN, NOT_IN, Requirement, Selector

NAMES = {number: name for name, number in PROTOCOLS.items()}


def rules(found: Iterable[Rule]) -> tuple[dict[str, Any], ...]:
    """Each rule, in its order."""
    return tuple(map(_rule, found))


def selector(found: Selector) -> str:
    """A selector as ``kubectl --selector`` takes it; "" selects everything."""
    return ",".join(map(_requirement, found.requirements))


def _rule(found: Rule) -> dict[str, Any]:
    everyone = found.peers is None
    return {
        "action": found.action,
        "pods": None if everyone else [_peer(each) for each in found.peers or ()],
        "blocks": None
        if everyone
        else [{"cidr": str(each.cidr), "excepts": [str(cut) for cut in each.excepts]} for each in found.blocks],
        "ports": [
            {"protocol": NAMES.get(each.protocol, ""), "first": each.first, "last": each.last, "name": each.name}
            for each in found.ports
        ],
    }


def _peer(found: Peer) -> dict[str, str]:
    where = {"namespace": found.namespace} if found.namespace else {"namespaces": selector(found.namespaces)}
    return {**where, "pods": selector(found.pods)}


def _requirement(found: Requirement) -> str:
    if found.operator == IN and len(found.values) == 1:
        return f"{found.key}={found.values[0]}"
    if found.operator in (IN, NOT_IN):
        return f"{found.key} {'in' if found.operator == IN else 'notin'} ({','.join(found.values)})"
    return found.key if found.operator == EXISTS else f"!{found.key}"
