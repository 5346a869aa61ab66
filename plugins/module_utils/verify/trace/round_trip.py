# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packet's way, from one end to the other and back.

A pure function of the nodes' states (``state.collect``), and of what is known of Services.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...ipam.ip import alike, parse_subnet, to_text
from ..model.endpoint import End
from ..model.hop import BROKEN, Hop
from ..model.path import Leg
from .hops.node_view import Look
from .node_to_node import hides, tunnels
from .one_way import deliver, go
from .resolve import at


def flows(source: End, target: End, states: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The (source, destination) addresses that the nodes must be asked about."""
    looks = {state["node"]: Look(state) for state in states}
    targets = target.backends or (target.address,)
    pairs = [(_seen_as(source, at(each, [*looks.values()]), looks), each) for each in targets]
    if source.kind == "node":
        # the peer's state alone does not tell whether a node's own packets come by the tunnel
        pairs += [(_own_address(source, each, looks), each) for each in targets]
    if target.kind == "service":
        pairs.append((source.address, target.address))
    mask = _mask(source, target, looks)
    if mask:
        pairs.append((mask.address, target.address))
    return [*dict.fromkeys(pairs)]


def walk(source: End, target: End, states: list[dict[str, Any]]) -> list[Leg]:
    """The way there and back, every hop judged. A Service is followed to its first backend that another node has."""
    looks = {state["node"]: Look(state) for state in states}
    final = _backend(source, target, looks)
    seen_as = _seen_as(source, final, looks)
    there = Leg("there", source, final)
    go(there, looks, seen_as, target if target.kind == "service" else None)
    back = Leg("back", final, replace(source, address=seen_as))
    mask = _mask(source, final, looks)
    if mask:
        back.target = mask
        go(back, looks, final.address, None)
        back.target = source
        pod = looks[source.node].pod_with(source.address)
        if pod:
            deliver(back, looks[source.node], source, pod)
    elif final.kind != "outside" and not (final.kind == source.kind == "pod" and final.address == source.address):
        go(back, looks, final.address, None)
    return [leg for leg in (there, back) if leg.hops]


def final(source: End, target: End, states: list[dict[str, Any]]) -> tuple[End, str]:
    """Where the way ends, which for a Service is a pod behind it, and the source's address on its packets."""
    looks = {state["node"]: Look(state) for state in states}
    end = _backend(source, target, looks)
    return end, _seen_as(source, end, looks)


def _backend(source: End, target: End, looks: dict[str, Look]) -> End:
    if target.kind != "service" or not target.backends:
        return target
    ends = [at(each, [*looks.values()]) for each in target.backends]
    return next((end for end in ends if end.node != source.node), ends[0])


def _mask(source: End, target: End, looks: dict[str, Look]) -> End | None:
    """The node whose address hides the pod's from another node, None where nothing is hidden."""
    look = looks.get(source.node)
    if source.kind != "pod" or target.kind != "node" or source.node == target.node or look is None:
        return None
    own, config = look.overlay["lease"], look.overlay["config"]
    if not own or not config or not config["masquerade_nodes"] or not hides(config, target.address):
        return None
    return End("node", look.node, own["address"], look.node)


def _seen_as(source: End, target: End, looks: dict[str, Look]) -> str:
    """The address that the source's packets to the target bear: a node's own come from the tunnel's device."""
    lease = _lease(source.node, looks)
    if source.kind == "node" and target.kind == "pod" and lease:
        cidr = alike(lease["pod_cidrs"], target.address)
        if cidr and target.node == source.node:
            return _gateway(cidr)
        ends = ((looks.get(source.node), target.node), (looks.get(target.node), source.node))
        if cidr and any(tunnels(look, other) for look, other in ends if look):
            return cidr.partition("/")[0]
        return _own_address(source, target.address, looks)
    return source.address


def _own_address(source: End, target: str, looks: dict[str, Look]) -> str:
    """The node's address on the underlay of the target's IP version."""
    lease = _lease(source.node, looks) or {"addresses": []}
    return alike(lease["addresses"], target) or source.address


def _lease(node: str, looks: dict[str, Look]) -> dict[str, Any] | None:
    """The lease of a node, as itself or as another node knows it."""
    if node in looks:
        return looks[node].overlay["lease"]
    peers = (peer for look in looks.values() for peer in look.overlay["peers"])
    return next((peer for peer in peers if peer["name"] == node), None)


def _gateway(cidr: str) -> str:
    subnet = parse_subnet(cidr)
    return to_text(subnet.family, subnet.first + 1)


def first_fault(legs: list[Leg]) -> tuple[Leg, Hop] | None:
    """The first broken hop of the way that is no effect of another; else the first broken one."""
    broken = [(leg, hop) for leg in legs for hop in leg.hops if hop.verdict == BROKEN]
    return next((found for found in broken if not found[1].follows), broken[0] if broken else None)
