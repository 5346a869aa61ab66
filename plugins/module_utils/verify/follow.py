# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on a way: the state of its hops and the evidence of packets, put together.

State comes first: a hop that is not what it must be is named, whatever the packets did. Then packets: where they were
seen for the last time, and where they should have come next.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import Any

from . import evidence, state, way
from .hops import BROKEN, STEPS, SUSPECT, UNKNOWN, Hop
from .probe import SMALL
from .state import Places
from .way import KUBE_PROXY, End, Leg

SCHEMA = 1
#: Seconds that the sender leaves the other nodes to begin watching.
DELAY = 0.7


def new_mark() -> str:
    """What a trace's echoes are known by."""
    return f"podnet {secrets.token_hex(4)}"


def look(
    source: End, target: End, places: Places, mark: str = "", port: int = 9, delay: float = DELAY
) -> dict[str, Any]:
    """This node's state for the way between two ends; with ``mark`` also its ``evidence``, which takes part in a trace
    of several nodes at a time: the source's node sends after ``delay`` seconds, the others watch.

    Raises OSError and NetlinkError where the node can't be asked.
    """
    own = state.collect((), places)
    pairs = way.flows(source, target, [own])
    found = state.collect(pairs, places)
    if mark:
        _gather(found, source, target, mark, port, delay)
    return found


def _gather(own: dict[str, Any], source: End, target: End, mark: str, port: int, delay: float) -> None:
    """Put this node's evidence into its state."""
    final, seen_as = way.final(source, target, [own])
    asked = target if target.kind == "service" else None
    own["evidence"] = evidence.gather(own, source, final, mark, port, seen_as, delay, asked)


def here(
    source_text: str, target_text: str, places: Places, others: list[dict[str, Any]], *, port: int, probing: bool
) -> dict[str, Any]:
    """Trace from this node, whose pod (or itself) the source is; ``others`` are the states of other nodes.

    Raises EndError for ends that can't be traced from here, OSError and NetlinkError where the node can't be asked.
    """
    own = state.collect((), places)
    source = way.resolve(source_text, [own, *others])
    target = way.resolve(target_text, [own, *others])
    if source.node != own["node"]:
        where = f"{source.node}'s" if source.node else "outside the cluster"
        raise way.EndError(f"{source}: is {where}, this is {own['node']}: trace it there, or with playbooks/trace.yml")
    pairs = way.flows(source, target, [own, *others])
    states = [state.collect(pairs, places), *others]
    if probing:
        _gather(states[0], source, target, new_mark(), port, 0)
    return judge(source, target, states)


def judge(source: End, target: End, states: list[dict[str, Any]]) -> dict[str, Any]:
    """The traced way, JSON-ready (docs/the-packets-way.md): ``ok``, ``verdict``, ``legs``, ``probes``, ``notes``."""
    legs = way.walk(source, target, states)
    found = [one["evidence"] for one in states if "evidence" in one]
    probes = [result for one in found for result in one["probes"]]
    if any(probe["ok"] for probe in probes if probe["scope"] == "way"):
        # what passed, and what a node did not see all the same: it looked too late
        found = [one for one in found if one["seen"] or one["sent"]]
    by_node = {one["node"]: one for one in found}
    _count(legs, by_node)
    fault = way.first_fault(legs)
    if fault is None:
        fault = _by_owners(legs, by_node) or _by_packets(legs, by_node, probes) or _by_hiding(legs, found)
    if fault is None:
        fault = _by_service(legs, probes)
    failed = [probe for probe in probes if probe["scope"] in ("way", "service") and not probe["ok"]]
    notes = _notes(legs, fault)
    return {
        "schema": SCHEMA,
        "from": asdict(source),
        "to": asdict(target),
        "ok": fault is None and not failed,
        "verdict": _verdict(*fault) if fault else None,
        "legs": [leg.as_json() for leg in legs],
        "probes": probes,
        "notes": notes,
    }


def _verdict(leg: Leg, hop: Hop) -> dict[str, Any]:
    return {
        "node": hop.node, "step": hop.step, "what": STEPS.get(hop.step, hop.step), "name": hop.name, "way": leg.way,
        "cause": hop.cause, "cure": hop.cure,
    }  # fmt: skip


def _notes(legs: list[Leg], fault: tuple[Leg, Hop] | None) -> list[str]:
    """What else is wrong on the way, or may be when something is."""
    if fault is None:
        return []
    named = fault[1]
    told = [
        f"{hop.node}: {hop.cause}"
        for leg in legs
        for hop in leg.hops
        if hop is not named and hop.cause and hop.cause != named.cause and hop.verdict in (BROKEN, SUSPECT)
    ]
    return list(dict.fromkeys(told))


def _count(legs: list[Leg], found: dict[str, dict[str, Any]]) -> None:
    """Enter at each hop how many small echoes were seen there."""
    for leg in legs:
        for hop in leg.hops:
            if hop.sights and hop.node in found:
                hop.seen = sum(_seen(found[hop.node], hop, leg.way, "icmp", False))


def _seen(one: dict[str, Any], hop: Hop, direction: str, kind: str, large: bool) -> list[int]:
    return [
        record["packets"]
        for record in one["seen"]
        if (record["place"], record["device"], record["direction"]) in hop.sights
        and (record["way"], record["kind"]) == (direction, kind)
        and (kind != "icmp" or record["large"] == large)
    ]


# -- packets ---------------------------------------------------------------------------------------------------------


def _by_owners(legs: list[Leg], found: dict[str, dict[str, Any]]) -> tuple[Leg, Hop] | None:
    """An address that more than one machine claims."""
    for leg in legs:
        for hop in leg.hops:
            owners = found.get(hop.node, {}).get("arp", {})
            address = leg.target.address
            claimed = owners.get(address, [])
            if hop.step in ("deliver", "pod-neighbour") and hop.node == leg.target.node and len(claimed) > 1:
                told = f"{address} is claimed by {' and '.join(claimed)}: two pods have one address"
                cure = "find the other: bridge fdb show br cni0; delete the pod that does not own the reservation"
                return leg, hop.blame(told, cure)
    return None


def _by_packets(
    legs: list[Leg], found: dict[str, dict[str, Any]], probes: list[dict[str, Any]]
) -> tuple[Leg, Hop] | None:
    """Where packets got lost, by kind of packet: small echoes, large ones, TCP and UDP."""
    on_way = [probe for probe in probes if probe["scope"] == "way"]
    if all(probe["ok"] for probe in on_way):
        return None
    small = [probe for probe in on_way if probe["kind"] == "icmp" and probe["size"] == SMALL]
    large = [probe for probe in on_way if probe["kind"] == "icmp" and probe["size"] != SMALL]
    others = [probe for probe in on_way if probe["kind"] != "icmp"]
    if any(not probe["ok"] for probe in small):
        return _lost(legs, found, "icmp", False, probes)
    if any(not probe["ok"] for probe in large):
        return _lost(legs, found, "icmp", True, probes)
    for probe in others:
        if not probe["ok"]:
            return _damaged(legs, found) or _lost(legs, found, probe["kind"], False, probes)
    return None


def _lost(
    legs: list[Leg], found: dict[str, dict[str, Any]], kind: str, large: bool, probes: list[dict[str, Any]]
) -> tuple[Leg, Hop] | None:
    """The hop between the last place where such packets were seen and the first where they were not."""
    for leg in legs:
        last = 0
        for number, hop in enumerate(leg.hops):
            if not hop.sights or hop.node not in found:
                continue
            if sum(_seen(found[hop.node], hop, leg.way, kind, large)):
                last = number
                continue
            region = leg.hops[last : number + 1]
            return leg, _culprit(region, leg.hops[last], hop, kind, large, probes)
        unseen = next((hop for hop in leg.hops[last:] if hop.verdict == UNKNOWN), None)
        if unseen:
            wire = next((hop for hop in leg.hops[last:] if hop.step == "wire"), unseen)
            told = f"it left by {leg.hops[last].place()} and no answer came"
            return leg, wire.blame(told + _underlay_tells(probes, large), _wire_cure(wire, large, probes))
    return None


def _culprit(region: list[Hop], last: Hop, first: Hop, kind: str, large: bool, probes: list[dict[str, Any]]) -> Hop:
    """Who is to blame between two places: who drops there, else the wire, else where it should have come."""
    what = {"icmp": "packets", "tcp": "TCP packets", "udp": "UDP packets"}[kind]
    what = f"large {what}" if large else what
    told = f"{what} were seen at {last.place()} and never at {first.place()}"
    wire = next((hop for hop in region if hop.step == "wire"), None)
    if wire is not None:
        return wire.blame(told + _underlay_tells(probes, large), _wire_cure(wire, large, probes))
    for hop in region:
        if hop.verdict == SUSPECT:
            cause, cure = hop.cause, hop.cure
            hop.verdict = BROKEN
            hop.cause, hop.cure = f"{told}: {cause}", cure
            return hop
    if first is last:
        told = f"no {what} were seen at {first.place()}"
    where = f"between {last.place()} and {first.place()}"
    return first.blame(told, f"look {where}: nft list ruleset, tc filter show, ip rule")


def _underlay_tells(probes: list[dict[str, Any]], large: bool) -> str:
    """What the nodes' own packets to each other say of the underlay."""
    under = [probe for probe in probes if probe["scope"] == "underlay"]
    if not under:
        return ""
    passed = [probe["size"] for probe in under if probe["ok"]]
    if not passed:
        return "; the peer answers nothing on the underlay"
    if large and max(passed) < max(probe["size"] for probe in under):
        return f"; on the underlay packets of {max(passed)} bytes pass and larger ones do not: its MTU is smaller"
    return "; the peer's own address answers, so the underlay carries other packets" if not large else ""


def _wire_cure(wire: Hop, large: bool, probes: list[dict[str, Any]]) -> str:
    passed = [probe["size"] for probe in probes if probe["scope"] == "underlay" and probe["ok"]]
    if large and passed:
        mtu = max(passed) - 50
        return f"make the underlay carry full packets, or set overlay_backend.mtu to {mtu} and run site.yml"
    if passed:
        return f"let {wire.name} pass: firewalls, security groups and packet filters between the nodes"
    return "look at the underlay between the nodes: cable, switch, routes, firewalls"


def _damaged(legs: list[Leg], found: dict[str, dict[str, Any]]) -> tuple[Leg, Hop] | None:
    """Packets that arrive with wrong checksums: a device that promised to make them and does not."""
    for leg in legs:
        for hop in leg.hops:
            for record in found.get(hop.node, {}).get("seen", []):
                here = (record["place"], record["device"], record["direction"]) in hop.sights
                if here and record["bad"] and record["way"] == leg.way:
                    device = next((each for each in leg.hops if each.step == "device"), hop)
                    kind = record["kind"].upper()
                    told = f"{kind} packets arrive at {hop.name} with wrong checksums: offloading is broken"
                    cure = f"ethtool -K {device.name} tx-checksum-ip-generic off on {device.node}"
                    return leg, device.blame(told, cure)
    return None


def _by_service(legs: list[Leg], probes: list[dict[str, Any]]) -> tuple[Leg, Hop] | None:
    """A Service that does not answer though the way to a pod behind it is whole."""
    failed = next((probe for probe in probes if probe["scope"] == "service" and not probe["ok"]), None)
    for leg in legs if failed else []:
        for hop in leg.hops:
            if failed and hop.step == "service":
                told = f"the pods behind it are reached, {hop.name} itself is not ({failed['reason']})"
                told += f": {hop.node} does not translate the Service's address rightly"
                return leg, hop.blame(told, KUBE_PROXY)
    return None


def _by_hiding(legs: list[Leg], found: list[dict[str, Any]]) -> tuple[Leg, Hop] | None:
    """A translation that hides a pod's address from another pod."""
    for one in found:
        if not one["hidden"]:
            continue
        for leg in legs:
            if leg.way == "there" and leg.source.kind == leg.target.kind == "pod":
                nat = next((hop for hop in leg.hops if hop.step == "nat"), leg.hops[-1])
                told = f"{leg.source.address} is hidden behind {one['hidden']}: what pods send to pods is masqueraded"
                cure = "nft list ruleset (chains of type nat at postrouting): except the pod network there"
                return leg, nat.blame(told, cure)
    return None
