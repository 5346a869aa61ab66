# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What packets tell of a way whose hops are all as they must be: where they got lost, or were changed."""

from __future__ import annotations

from typing import Any

from ..model.hop import BROKEN, SUSPECT, UNKNOWN, Hop
from ..model.path import Leg
from ..probe.probe import DIED, SMALL
from . import conflicts
from .one_way import KUBE_PROXY


def fault(legs: list[Leg], found: dict[str, dict[str, Any]], probes: list[dict[str, Any]]) -> tuple[Leg, Hop] | None:
    """The hop that the packets accuse, None if they accuse none. ``found``: the nodes' evidence by their names."""
    return (
        conflicts.by_owners(legs, found)
        or conflicts.by_outer(legs, found, probes)
        or conflicts.by_translation(legs, [*found.values()], probes)  # what is translated is not known again further on
        or _by_packets(legs, found, probes)
        or _by_answers(legs, found, probes)
        or _by_service(legs, probes)
        or _by_suspicion(legs, probes)
    )


def count(legs: list[Leg], found: dict[str, dict[str, Any]]) -> None:
    """Enter at each hop how many small echoes were seen there."""
    for leg in legs:
        for hop in leg.hops:
            if hop.sights and hop.node in found:
                hop.seen = _seen(found, hop, leg.way, "icmp", False)


def _seen(found: dict[str, dict[str, Any]], hop: Hop, direction: str, kind: str, large: bool) -> int:
    """How many such packets were seen at the hop: also with the addresses that a node has translated them to."""
    translated = {one[which] for one in found.values() for which in ("hidden", "diverted") if one[which]}
    return sum(
        record["packets"]
        for record in found[hop.node]["seen"]
        if (record["place"], record["device"], record["direction"]) in hop.sights
        and (record["way"], record["kind"]) == (direction, kind)
        and (kind != "icmp" or record["large"] == large)
        and (not record["strange"] or translated & {record["source"], record["target"]})
    )


_KINDS = ("icmp", "tcp")


def _by_answers(
    legs: list[Leg], found: dict[str, dict[str, Any]], probes: list[dict[str, Any]]
) -> tuple[Leg, Hop] | None:
    """TCP was answered, but not by the target, which never saw it: somebody on the way answers in its name."""
    answered = any(probe["ok"] for probe in probes if (probe["scope"], probe["kind"]) == ("way", "tcp"))
    for leg in legs:
        last = next((hop for hop in reversed(leg.hops) if hop.sights and hop.node in found), None)
        if not answered or leg.way != "there" or last is None or last.step != "pod" or last.node != leg.target.node:
            continue
        first = next(hop for hop in leg.hops if hop.sights and hop.node in found)
        saw = {kind: [_seen(found, hop, leg.way, kind, False) for hop in (first, last)] for kind in _KINDS}
        if all(saw["icmp"]) and saw["tcp"][0] and not saw["tcp"][1]:
            named = _lost([leg], found, "tcp", False, probes)
            if named:
                named[1].cause += "; and yet somebody answered in the target's name"
            return named
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
    way = [(leg, hop) for leg in legs for hop in leg.hops]
    last = 0
    for number, (leg, hop) in enumerate(way):
        if hop.verdict == UNKNOWN and hop.step in ("node", "outside"):
            # nobody looked further: what comes back tells
            wire = next((one for _leg, one in way[last:number] if one.step == "wire"), hop)
            told = f"it left by {way[last][1].place()} and no answer came"
            return leg, wire.blame(told + _underlay_tells(probes, large), _wire_cure(wire, large, probes))
        if not hop.sights or hop.node not in found:
            continue
        if _seen(found, hop, leg.way, kind, large):
            last = number
        else:
            named = _culprit(way, last, number, kind, large, probes, found)
            return next(owner for owner, one in way if one is named), named
    return None


def _culprit(
    way: list[tuple[Leg, Hop]],
    last: int,
    first: int,
    kind: str,
    large: bool,
    probes: list[dict[str, Any]],
    found: dict[str, dict[str, Any]],
) -> Hop:
    """Who is to blame between two places: who drops there, else the wire, else where it should have come."""
    what = {"icmp": "packets", "tcp": "TCP packets", "udp": "UDP packets"}[kind]
    what = f"large {what}" if large else what
    before, after = way[last][1], way[first][1]
    # to whom a frame is addressed was decided before it was seen
    begin = last - 1 if last and way[last - 1][1].step in ("pod-neighbour", "deliver") else last
    region = [hop for _leg, hop in way[begin : first + 1]]
    told = f"{what} were seen at {before.place()} and never at {after.place()}"
    if first == last:
        told = f"no {what} were seen at {after.place()}"
    elif before.step == "underlay" and before.place() == after.place():
        told = f"{what} left by {before.place()} and no answer came"
    elif before.place() == after.place():
        told = f"{what} arrived at {after.place()} and none was answered"
    wire = next((hop for hop in region if hop.step == "wire"), None)
    if wire is not None and before.step == "underlay" and before.verdict == SUSPECT:
        return _convicted(before, told)
    if wire is not None:
        return wire.blame(told + _underlay_tells(probes, large), _wire_cure(wire, large, probes))
    # who may drop between the two; else who may on that node at all, the nearest first, but for where they have passed
    numbers = [number for number, (_leg, hop) in enumerate(way) if hop.node == after.node and number >= last]
    near = sorted((abs(number - first), number) for number in numbers)
    for hop in [*region, *(way[number][1] for _distance, number in near)]:
        if hop.verdict == SUSPECT:
            return _convicted(hop, told)
    silent = _unresolved(way[last:], after, found)
    if silent:
        return silent
    usual = next((hop for hop in region if hop.suspects and hop.step in ("filter", "input")), None)
    if usual:
        return usual.blame(
            f"{told}: {'; '.join(usual.suspects)}", "nft list ruleset (what counts as invalid is dropped)"
        )
    told += "".join(
        {f" ({probe['reason']})" for probe in probes if probe["scope"] == "way" and DIED in probe["reason"]}
    )
    where = f"between {before.place()} and {after.place()}"
    if before.place() == after.place():
        where = f"into {after.node}" if after.step != "pod" else f"into {after.name}"
    return after.blame(told, f"look {where}: nft list ruleset, tc filter show, ip rule, sysctl -a")


def _convicted(hop: Hop, told: str) -> Hop:
    """A suspect that packets accuse; its cure is that of what it is suspected for."""
    hop.verdict, hop.cause = BROKEN, f"{told}: {'; '.join(hop.suspects)}"
    return hop


def _unresolved(ahead: list[tuple[Leg, Hop]], after: Hop, found: dict[str, dict[str, Any]]) -> Hop | None:
    """The hop that must know a MAC address and does not: until then a packet is not seen on the link."""
    one = found.get(after.node, {})
    for _leg, hop in ahead:
        if hop.node != after.node or hop.step not in ("underlay", "deliver", "pod-neighbour"):
            continue
        # by their names: neighbour ADDRESS in POD, neighbour ADDRESS dev BRIDGE, underlay to ADDRESS
        words = hop.name.removeprefix("underlay to ").removeprefix("neighbour ").split(" ", 2)
        gateway = hop.found.partition(" via ")[2].partition(" ")[0] if hop.step == "underlay" else ""
        place, address = words[2] if hop.step == "pod-neighbour" else "node", gateway or words[0]
        for each in one.get("unresolved", []):
            if (each["place"], each["address"]) != (place, address):
                continue
            who = hop.node if place == "node" else place
            told = f"{who} does not learn {address}'s MAC address on {each['dev']}"
            owners = one.get("arp", {}).get(address, [])
            if owners and place == "node":
                told += f", though {owners[0]} answers who asks: its kernel does not ask, or does not hear"
                cure = f"sysctl -a | grep neigh.{each['dev']} (mcast_solicit must not be 0); nft list ruleset (arp)"
                return hop.blame(told, cure)
            seek = "nft list ruleset (arp, or icmpv6 at input and output)"
            return hop.blame(f"{told}: nobody answers", f"is {address} there, and up? ip route get {address}; {seek}")
    return None


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
                    if device.step == "device":  # podnetd would put that right again
                        cure = "set overlay_backend.checksum_offload to false and run site.yml"
                    return leg, device.blame(told, cure)
    return None


def _by_suspicion(legs: list[Leg], probes: list[dict[str, Any]]) -> tuple[Leg, Hop] | None:
    """Packets were seen everywhere, and yet no right answer came: the first who may be to blame."""
    failed = next((probe for probe in probes if probe["scope"] == "way" and not probe["ok"]), None)
    for leg in legs if failed else []:
        for hop in leg.hops:
            if failed and hop.verdict == SUSPECT:
                hop.verdict, hop.cause = BROKEN, f"{'; '.join(hop.suspects)} ({failed['reason']})"
                return leg, hop
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
