# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where packets were lost, or changed, on paths whose hops are all as desired: by what was captured where."""

from __future__ import annotations

from ...findings.codes import Code
from ...findings.finding import Finding
from ..model.evidence import SMALL, Evidence, ProbeResult
from ..model.hop import NODE, Hop, Step, Verdict
from ..model.path import Direction, Path, PathHop
from ..model.trace import Fault
from . import conflicts

ByNode = dict[str, Evidence]  # by the node's name


def fault(paths: list[Path], found: ByNode, probes: list[ProbeResult]) -> Fault | None:
    """The hop that the packets accuse, None if they accuse none."""
    return (
        conflicts.by_owners(paths, found)
        or conflicts.by_outer(paths, found, probes)
        or conflicts.by_translation(paths, [*found.values()], probes)  # what is translated is not known again
        or _by_packets(paths, found, probes)
        or _by_answers(paths, found, probes)
        or _by_service(paths, probes)
        or _by_suspicion(paths, probes)
    )


def count(paths: list[Path], found: ByNode) -> None:
    """Enter at each hop how many small echoes were seen there."""
    for path in paths:
        for hop in path.hops:
            if hop.capture_points and hop.node in found:
                hop.seen = _seen(found, hop, path.direction, "icmp", False)


def _seen(found: ByNode, hop: Hop, direction: Direction, kind: str, large: bool) -> int:
    """How many such packets were seen at the hop: also with the addresses that a node has translated them to."""
    translated = {address for one in found.values() for address in (one.snat_to, one.dnat_to) if address}
    return sum(
        each.packets
        for each in found[hop.node].captures
        if each.point in hop.capture_points
        and (each.packet.path, each.packet.kind) == (direction, kind)
        and (kind != "icmp" or each.packet.large == large)
        and (not each.packet.partial or translated & {each.packet.source, each.packet.destination})
    )


def _of(probes: list[ProbeResult], scope: str) -> list[ProbeResult]:
    return [probe for probe in probes if probe.scope == scope]


def _by_answers(paths: list[Path], found: ByNode, probes: list[ProbeResult]) -> Fault | None:
    """TCP was answered, but not by the target, which never saw it: another host on the path answers in its name."""
    answered = any(probe.ok for probe in _of(probes, "path") if probe.kind == "tcp")
    for path in paths if answered else []:
        points = [hop for hop in path.hops if hop.capture_points and hop.node in found]
        if path.direction != Direction.FORWARD or not points:
            continue
        last = points[-1]
        if last.step != Step.POD or last.node != path.target.node:
            continue
        seen = {kind: [_seen(found, hop, path.direction, kind, False) for hop in points] for kind in ("icmp", "tcp")}
        if seen["icmp"][0] and seen["icmp"][-1] and seen["tcp"][0] and not seen["tcp"][-1]:
            named = _lost([path], found, "tcp", False, probes)
            evidence = named.hop.evidence if named else None
            if named and evidence:
                named.hop.evidence = Finding(
                    Code.PACKETS_ANSWERED_BY_OTHER, evidence.node, evidence.subject, evidence.parameters
                )
            return named
    return None


def _by_packets(paths: list[Path], found: ByNode, probes: list[ProbeResult]) -> Fault | None:
    """Where packets got lost or damaged, by kind of packet: small echoes, large ones, TCP and UDP."""
    failed = [probe for probe in _of(probes, "path") if not probe.ok]
    echoes = [probe for probe in failed if probe.kind == "icmp"]
    others = [probe.kind for probe in failed if probe.kind != "icmp"]
    lost = _lost(paths, found, "icmp", all(probe.size != SMALL for probe in echoes), probes) if echoes else None
    if lost or not others:
        return lost
    # also where a busy node has answered an echo too late, which was seen all the way
    return _damaged(paths, found) or (None if echoes else _lost(paths, found, others[0], False, probes))


def _lost(paths: list[Path], found: ByNode, kind: str, large: bool, probes: list[ProbeResult]) -> Fault | None:
    """The hop between the last point where such packets were seen and the first where they were not."""
    hops = [PathHop(path, hop) for path in paths for hop in path.hops]
    packets = f"large {kind.upper()}" if large else kind.upper()
    last = 0
    for number, (path, hop) in enumerate(hops):
        if hop.verdict == Verdict.UNKNOWN and hop.step in (Step.NODE, Step.OUTSIDE):
            # not inspected further: what comes back decides
            left = hops[last].hop
            wire = next((fault for fault in hops[last:number] if fault.hop.step == Step.WIRE), None)
            evidence = Finding(Code.PACKETS_UNANSWERED, left.node, left.capture_point, {"packets": packets})
            if wire is None:
                return Fault(path, _fail_as(hop, evidence))
            _fail_wire(wire.hop, large, probes, evidence)
            return wire
        if not hop.capture_points or hop.node not in found:
            continue
        if _seen(found, hop, path.direction, kind, large):
            last = number
        else:
            return _culprit(hops, last, number, _loss(hops[last].hop, hop, packets), large, probes, found)
    return None


def _loss(before: Hop, after: Hop, packets: str) -> Finding:
    """What the captures at two hops show together: at the first packets were seen, at the second none."""
    code, more = Code.PACKETS_LOST, {"packets": packets, "last": before.capture_point}
    if after is before:
        code = Code.PACKETS_UNSEEN
    elif before.capture_point == after.capture_point:
        code = Code.PACKETS_UNANSWERED if before.step == Step.UNDERLAY else Code.PACKETS_IGNORED
    return Finding(code, after.node, after.capture_point, more)


def _culprit(
    hops: list[PathHop], last: int, first: int, loss: Finding, large: bool, probes: list[ProbeResult], found: ByNode
) -> Fault:
    """The fault between two points: what drops there, else the wire, else the point where they should have come."""
    before, after = hops[last].hop, hops[first].hop
    # to whom a frame is addressed was decided before it was seen
    begin = last - 1 if last and hops[last - 1].hop.step in (Step.POD_NEIGHBOR, Step.DELIVER) else last
    region = hops[begin : first + 1]
    wire = next((fault for fault in region if fault.hop.step == Step.WIRE), None)
    if wire is not None:
        if before.step == Step.UNDERLAY and before.verdict == Verdict.SUSPECT:
            before.convict(loss)
            return hops[last]
        _fail_wire(wire.hop, large, probes, loss)
        return wire
    # what may drop between the two; else what may on that node at all, the nearest first, but not where they passed
    near = [number for number, fault in enumerate(hops) if fault.hop.node == after.node and number >= last]
    near.sort(key=lambda number: (abs(number - first), number))
    nearest = [*region, *(hops[number] for number in near)]
    suspects = [fault for fault in nearest if fault.hop.verdict == Verdict.SUSPECT]
    if suspects:
        accused = _cause(suspects)
        accused.hop.convict(loss)
        return accused
    silent = _unresolved(hops[last:], after, found)
    if silent:
        silent.hop.evidence = loss
        return silent
    usual = next((fault for fault in region if fault.hop.unlikely), None)
    if usual:
        usual.hop.convict(loss)
        return usual
    failures = [probe.failure for probe in _of(probes, "path") if probe.failure]
    expired = next((each for each in failures if each.code == Code.PROBE_EXPIRED), None)
    if expired:
        more = {**loss.parameters, "router": expired.parameters["reporter"]}
        loss = Finding(Code.PACKETS_EXPIRED, loss.node, loss.subject, more)
    _fail_as(after, loss)
    return hops[first]


def _cause(suspects: list[PathHop]) -> PathHop:
    """The first of them; where that is a neighbor that did not answer, the pod which is set not to."""
    if suspects[0].hop.suspected[0].code != Code.NEIGHBOR_FAILED:
        return suspects[0]
    silent = (fault for fault in suspects if fault.hop.suspected[0].code == Code.POD_ARP_IGNORED)
    return next(silent, suspects[0])


def _fail_as(hop: Hop, finding: Finding) -> Hop:
    """The hop's fault is what packets show, for nothing else is known."""
    return hop.fail(finding.code, finding.subject, **finding.parameters)


def _unresolved(ahead: list[PathHop], after: Hop, found: ByNode) -> Fault | None:
    """The hop that must know a MAC address and does not: until then a packet is not seen on the link."""
    one = found.get(after.node)
    if one is None:
        return None
    for fault in ahead:
        hop = fault.hop
        if hop.node != after.node or hop.step not in (Step.UNDERLAY, Step.DELIVER, Step.POD_NEIGHBOR):
            continue
        owner, address = hop.pod or NODE, hop.next_hop or hop.destination
        unresolved = next((each for each in one.unresolved if (each.owner, each.address) == (owner, address)), None)
        if unresolved is None:
            continue
        more = {"device": unresolved.dev, "place": hop.pod or hop.node}
        macs = _macs(one, address)
        if macs and owner == NODE:
            hop.fail(Code.NEIGHBOR_REPLY_UNHEARD, address, mac=macs[0], **more)
        else:
            hop.fail(Code.NEIGHBOR_UNRESOLVED, address, **more)
        return fault
    return None


def _macs(one: Evidence, address: str) -> list[str]:
    """Who answered when the node asked for the address."""
    return next((each.macs for each in one.arp if (each.address, each.asked_by) == (address, NODE)), [])


def _fail_wire(wire: Hop, large: bool, probes: list[ProbeResult], evidence: Finding) -> None:
    """The wire lost the packets; what the nodes' own packets to each other show of the underlay."""
    under = _of(probes, "underlay")
    passed = max((probe.size or 0 for probe in under if probe.ok), default=0)
    wire.evidence = evidence
    if not under:
        wire.fail(Code.WIRE_LOST, wire.name, peer=wire.peer, address=wire.destination)
    elif not passed:
        wire.fail(Code.WIRE_SILENT, wire.name, peer=wire.peer, address=wire.destination)
    elif large and passed < max(probe.size or 0 for probe in under):
        wire.fail(Code.WIRE_MTU_TOO_SMALL, wire.name, peer=wire.peer, passed=passed, mtu=passed - 50)
    else:
        wire.fail(Code.WIRE_BLOCKED, wire.name, peer=wire.peer, address=wire.destination)


def _damaged(paths: list[Path], found: ByNode) -> Fault | None:
    """Packets that arrive with wrong checksums: a device that promised to make them and does not."""
    for path in paths:
        for hop in path.hops:
            for each in found[hop.node].captures if hop.node in found else []:
                here = each.point in hop.capture_points and each.packet.path == path.direction
                if not here or not each.packet.bad_checksum:
                    continue
                protocol = each.packet.kind.upper()
                device = next((each for each in path.hops if each.step == Step.DEVICE), None)
                if device:
                    return Fault(path, device.fail(Code.TUNNEL_CHECKSUMS_WRONG, device.name, protocol=protocol))
                return Fault(path, hop.fail(Code.CHECKSUMS_WRONG, hop.name, protocol=protocol))
    return None


def _by_suspicion(paths: list[Path], probes: list[ProbeResult]) -> Fault | None:
    """Packets were seen everywhere, and yet no right answer came: the first that may explain it."""
    failure = next((probe.failure for probe in _of(probes, "path") if not probe.ok), None)
    for path in paths if failure else []:
        for hop in path.hops:
            if hop.verdict == Verdict.SUSPECT:
                return Fault(path, hop.convict(failure))
    return None


def _by_service(paths: list[Path], probes: list[ProbeResult]) -> Fault | None:
    """A Service that does not answer though its endpoints do."""
    failure = next((probe.failure for probe in _of(probes, "service") if not probe.ok), None)
    for path in paths if failure else []:
        for hop in path.hops:
            if hop.step == Step.SERVICE and hop.suspected:
                return Fault(path, hop.convict(failure))
            if hop.step == Step.SERVICE:
                hop.evidence = failure
                return Fault(path, hop.fail(Code.SERVICE_DNAT_WRONG, hop.name))
    return None
