# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses in conflict on paths whose hops are all as desired: two claim one, or a rule has translated them."""

from __future__ import annotations

from ...findings.codes import Code
from ...findings.finding import Value
from ..model.evidence import Evidence, ProbeResult
from ..model.hop import NODE, Step
from ..model.path import Direction, Path
from ..model.trace import Fault


def by_owners(paths: list[Path], found: dict[str, Evidence]) -> Fault | None:
    """An address that more than one machine claims."""
    for path in paths:
        for hop in path.hops:
            asked = found[hop.node].arp if hop.node in found else []
            macs = {each.address: each.macs for each in asked if each.asked_by == NODE and len(each.macs) > 1}
            if hop.step == Step.UNDERLAY and hop.destination in macs:
                claimed = macs[hop.destination]
                hop.fail(Code.ADDRESS_ON_TWO_NODES, hop.destination, macs=claimed, device=hop.device)
                return Fault(path, hop)
            receiving = hop.step in (Step.DELIVER, Step.POD_NEIGHBOR) and hop.node == path.target.node
            if receiving and path.target.address in macs:
                claimed = macs[path.target.address]
                hop.fail(Code.ADDRESS_ON_TWO_PODS, path.target.address, macs=claimed, device=hop.device)
                return Fault(path, hop)
    return None


def by_outer(paths: list[Path], found: dict[str, Evidence], probes: list[ProbeResult]) -> Fault | None:
    """The tunnel's packets leave for another address or port than the tunnel's: a rule translates them."""
    if all(probe.ok for probe in probes if probe.scope == "path"):
        return None
    for path in paths:
        wire = next((hop for hop in path.hops if hop.step == Step.WIRE and hop.udp_port), None)
        underlay = path.first(Step.UNDERLAY, wire.node) if wire else None
        if wire is None or underlay is None or wire.node not in found:
            continue
        for each in found[wire.node].captures:
            outer = each.packet.outer
            here = each.point in underlay.capture_points and each.packet.path == path.direction
            if not here or outer is None or each.packet.partial:
                continue
            if (outer.destination, outer.port) != (wire.destination, wire.udp_port):
                filters = [hop for hop in path.hops if hop.node == wire.node and hop.step == Step.FILTER]
                hop = filters[-1] if filters else underlay
                more: dict[str, Value] = {"device": each.point.device, "address": outer.destination, "port": outer.port}
                hop.fail(Code.NAT_TUNNEL_DIVERTED, wire.destination, expected=wire.udp_port, **more)
                return Fault(path, hop)
    return None


def by_translation(paths: list[Path], found: list[Evidence], probes: list[ProbeResult]) -> Fault | None:
    """A translation that hides a pod's address from another pod, or leads to another pod; or one that hides an address
    behind one that is not the node's, where no answer comes."""
    lost = any(not probe.ok for probe in probes if probe.scope == "path")
    for one in found:
        for path in paths:
            between_pods = path.source.kind == path.target.kind == "pod" and path.source != path.target
            astray = lost and one.snat_to not in ["", *one.own_addresses]
            if path.direction != Direction.FORWARD or not (between_pods or astray):
                continue
            hop = path.first(Step.NAT, one.node) or path.first(Step.FILTER, one.node) or path.hops[-1]
            if one.snat_to:
                code = Code.NAT_POD_SOURCE_HIDDEN if between_pods else Code.NAT_SOURCE_NOT_OF_NODE
                return Fault(path, hop.fail(code, path.source.address, address=one.snat_to))
            if one.dnat_to:
                hop.fail(Code.NAT_DESTINATION_DIVERTED, path.target.address, address=one.dnat_to)
                return Fault(path, hop)
    return None
