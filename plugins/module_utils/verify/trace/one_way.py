# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The path in one direction, hop by hop, as the nodes' kernels would take it.

The hops of a node that was not inspected are unknown; what they should be is reported all the same.
"""

from __future__ import annotations

from ...converge.sysctls import dotted_name
from ...findings.codes import Code
from ...ipam.ip import alike, version_of
from ...ipam.prefix import parse_network_of
from ..model.endpoint import Endpoint
from ..model.hop import NODE, CapturePoint, Hop, Step, Verdict
from ..model.kernel import LinkState
from ..model.path import Direction, Path
from ..model.state import PodState
from .hops import bridge as bridge_hops
from .hops import netfilter, routing, tunnel
from .hops import pod as pod_hops
from .hops import policy as policy_hops
from .hops import service as services
from .hops.node_view import NodeView, covers
from .hops.routing import Expected
from .node_to_node import contradiction, cross, tunnels


def go(path: Path, views: dict[str, NodeView], seen_as: str, service: Endpoint | None) -> None:
    """Fill in the hops from the path's source, whose packets bear the address ``seen_as``, to its target."""
    source, target = path.source, path.target
    here, there = views.get(source.node), views.get(target.node)
    if here is None:
        path.hops.append(_unseen(source.node or "outside", source))
    else:
        iif = ""
        if source.kind == "pod":
            iif = _leave_pod(path, here, source, target, service)
            if not iif:
                return
        if service:
            path.hops.append(services.service(here, source.address, service))
            services.resolver(path.hops[-1], here.pod_with(source.address), service)
            there_too = views.get(service.node)
            if there_too and there_too is not here:
                path.hops.append(services.service(there_too, source.address, service))
        if iif:
            path.hops.append(routing.forwarding(here, iif, version_of(target.address)))
            inside = [iif, *(pod.host for pod in [here.pod_with(source.address)] if pod)]
            hooks = ("prerouting", "forward")
            ends = seen_as, target.address
            path.hops.append(
                netfilter.packet_filter(here, Step.FILTER, hooks, version_of(target.address), inside, ends)
            )
            if target.kind != "node" or target.node != here.node:
                _policies(path, here, policy_hops.EGRESS, seen_as, service)
        if target.node == source.node:
            if iif and target.kind == "pod":
                _policies(path, here, policy_hops.INGRESS, seen_as, service)
            _arrive(path, here, target, seen_as, iif)
            return
        cross(path, here, there, target, seen_as, iif)
    if target.kind == "outside":
        path.hops.append(Hop("", Step.OUTSIDE, str(target), actual="not inspected", verdict=Verdict.UNKNOWN))
    elif there is None:
        path.hops.append(_unseen(target.node, target))
    else:
        _come_in(path, here, there, source, target, seen_as, service)


def _policies(path: Path, view: NodeView, direction: str, seen_as: str, service: Endpoint | None) -> None:
    """What answers a connection passes as a part of it."""
    if path.direction == Direction.FORWARD:
        path.hops += policy_hops.policy(view, path, direction, seen_as, service is not None)


def _unseen(node: str, end: Endpoint) -> Hop:
    desired = "its state: podnetctl inspect"
    return Hop(node, Step.NODE, f"{end.kind} {end}", "not inspected", desired, verdict=Verdict.UNKNOWN)


def _leave_pod(path: Path, view: NodeView, source: Endpoint, target: Endpoint, service: Endpoint | None) -> str:
    """From the pod to the node; returns the link by which the packet enters the node, "" where it doesn't."""
    pod = view.pod_with(source.address)
    if pod is None:
        path.hops.append(_no_pod(view, source))
        return ""
    bridge = view.bridge_of(pod)
    asked = service.address if service else target.address
    path.hops += [pod_hops.pod(view, pod, "out"), pod_hops.pod_route(view, pod, asked)]
    neighbor = view.pod_with(target.address) if target.kind == "pod" and target.node == view.node else None
    if neighbor and not service and any(covers(prefix, target.address) for prefix in pod.prefixes):
        _by_bridge(path, view, pod, neighbor, target)
        return ""
    gateway = alike(pod.gateways, asked)
    link = view.links.get(bridge)
    path.hops.append(pod_hops.pod_neighbor(view, pod, gateway, link.mac if link else None, bridge))
    path.hops.append(bridge_hops.port(view, pod, "in", to_itself=bool(service) and target.address == source.address))
    path.hops.append(bridge_hops.bridge(view, bridge, "in", pod_hops.gateways(pod)))
    return bridge


def _by_bridge(path: Path, view: NodeView, pod: PodState, neighbor: PodState, target: Endpoint) -> None:
    """From one pod to another on the same bridge."""
    bridge = view.bridge_of(pod)
    path.hops.append(pod_hops.pod_neighbor(view, pod, target.address, neighbor.mac, neighbor.name))
    path.hops.append(bridge_hops.port(view, pod, "in"))
    path.hops.append(_bridging_only(bridge_hops.bridge(view, bridge, "", pod_hops.gateways(pod))))
    ports, hooks = [bridge, pod.host, neighbor.host], ("prerouting", "forward")
    ends = path.source.address, target.address
    path.hops.append(netfilter.packet_filter(view, Step.FILTER, hooks, version_of(target.address), ports, ends))
    for direction in (policy_hops.EGRESS, policy_hops.INGRESS):
        _policies(path, view, direction, path.source.address, None)
    path.hops += [bridge_hops.port(view, neighbor, "out"), pod_hops.pod(view, neighbor, "in")]


def _no_pod(view: NodeView, end: Endpoint) -> Hop:
    hop = Hop(view.node, Step.POD, f"pod {end}", actual="missing", desired=f"a pod with {end.address}")
    return hop.fail(Code.POD_MISSING, end.address)


def _bridging_only(hop: Hop) -> Hop:
    """A bridge that only bridges shows no packet on its own device, and needs no address."""
    hop.capture_points = []
    if hop.finding and hop.finding.code in bridge_hops.OF_GATEWAY:
        hop.verdict, hop.suspected, hop.finding = Verdict.SUSPECT, [hop.finding], None
    return hop


def _come_in(
    path: Path,
    here: NodeView | None,
    there: NodeView,
    source: Endpoint,
    target: Endpoint,
    seen_as: str,
    service: Endpoint | None,
) -> None:
    """From the wire into the peer, and on to the target."""
    dev, device = there.underlay, there.device
    # a node's own packets to pods bear its VTEP's address, and so the answers come by the tunnel
    to_vtep = bool(device) and target.kind == "node" and there.has_address(target.address) == device
    tunnelled = bool(device) and (to_vtep or (target.kind == "pod" and tunnels(there, source.node)))
    path.hops.append(_enter_node(there, dev, there.lease.address if tunnelled else target.address))
    if not tunnelled and target.kind != "pod":
        _arrive(path, there, target, seen_as, dev)
        return
    iif = dev
    if tunnelled:
        path.hops.append(tunnel.device(there, "in"))
        iif = device
    if here is not None and tunnelled:
        odd = contradiction(here, there)
        path.hops += [odd] if odd else []
    if target.kind == "pod":
        path.hops.append(routing.forwarding(there, iif, version_of(target.address)))
        pod = there.pod_with(target.address)
        inside = [iif, *([there.bridge_of(pod), pod.host] if pod else [])]
        hooks, ends = ("prerouting", "forward", "postrouting"), (seen_as, target.address)
        path.hops.append(netfilter.packet_filter(there, Step.FILTER, hooks, version_of(target.address), inside, ends))
        _policies(path, there, policy_hops.INGRESS, seen_as, service)
    _arrive(path, there, target, seen_as, iif)


def _enter_node(there: NodeView, dev: str, outer: str) -> Hop:
    """Into the node by its underlay's interface, whose address ``outer`` is."""
    hop = netfilter.packet_filter(there, Step.INPUT, ("prerouting", "input"), version_of(outer), [dev])
    hop.capture_points = [CapturePoint(NODE, dev, "in")]
    link = there.links.get(dev)
    if link is not None and not link.up:
        hop.fail(Code.UNDERLAY_DOWN, dev)
    elif link is not None:
        _answers(hop, there, link, outer)
    return hop


def _answers(hop: Hop, view: NodeView, link: LinkState, address: str) -> None:
    """Settings that keep a node from telling its MAC address on the underlay."""
    if link.noarp:
        hop.fail(Code.UNDERLAY_ARP_OFF, link.name)
    for which in ("all", link.name):
        path = f"net/ipv4/conf/{which}/arp_ignore"
        if ":" not in address and view.sysctl(path) == "8":
            hop.fail(Code.UNDERLAY_ARP_IGNORED, link.name, key=dotted_name(path))


def _arrive(path: Path, view: NodeView, target: Endpoint, seen_as: str, iif: str) -> None:
    """From the node's routing decision to the target on this node."""
    if target.kind == "node":
        expected = Expected(view.has_address(target.address))
        path.hops.append(routing.route(view, target.address, seen_as, iif, expected))
        ends = seen_as, target.address
        hop = netfilter.packet_filter(view, Step.INPUT, ("input",), version_of(target.address), [iif], ends)
        ignoring = {4: "net/ipv4/icmp_echo_ignore_all", 6: "net/ipv6/icmp/echo_ignore_all"}[version_of(target.address)]
        if view.sysctl(ignoring) == "1":
            hop.suspect(Code.NODE_ECHO_IGNORED, dotted_name(ignoring))
        path.hops.append(hop)
        return
    pod = view.pod_with(target.address)
    if pod is None:
        path.hops.append(_no_pod(view, target))
        return
    bridge = view.bridge_of(pod)
    if not iif:
        hooks, inside, ends = ("output", "postrouting"), [bridge, pod.host], (seen_as, target.address)
        path.hops.append(netfilter.packet_filter(view, Step.FILTER, hooks, version_of(target.address), inside, ends))
    # the bridge before the route that stands on its address
    path.hops.append(bridge_hops.bridge(view, bridge, "out", pod_hops.gateways(pod)))
    block = next((_block(prefix) for prefix in pod.prefixes if covers(prefix, target.address)), "")
    route = routing.route(view, target.address, seen_as, iif, Expected(bridge, block))
    route.consequence = route.consequence or path.hops[-1].verdict == Verdict.BROKEN
    path.hops.append(route)
    deliver(path, view, target, pod)


def deliver(path: Path, view: NodeView, target: Endpoint, pod: PodState) -> None:
    """From the bridge to the pod."""
    bridge = view.bridge_of(pod)
    hop = Hop(view.node, Step.DELIVER, f"neighbor {target.address} dev {bridge}")
    hop.destination, hop.device = target.address, bridge
    path.hops.append(pod_hops.entry(hop, view.state.neighbors, pod.mac, pod.name, view.node))
    path.hops += [bridge_hops.port(view, pod, "out"), pod_hops.pod(view, pod, "in")]


def _block(prefix: str) -> str:
    return str(parse_network_of(prefix)[0])
