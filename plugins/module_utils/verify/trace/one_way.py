# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way in one direction, hop by hop, as the nodes' kernels would take it.

Where nobody looked at a node, its hops are unknown; what the way must be there is still told.
"""

from __future__ import annotations

from typing import Any

from ...ipam.ip import alike, parse_subnet, to_text
from ..model.endpoint import End
from ..model.hop import BROKEN, SUSPECT, UNKNOWN, Hop
from ..model.path import Leg
from .hops import bridge as bridge_hops
from .hops import netfilter, routing, tunnel
from .hops import pod as pod_hops
from .hops.node_view import Look, covers
from .node_to_node import contradiction, cross, tunnels

KUBE_PROXY = "kubectl --namespace kube-system get pods -l k8s-app=kube-proxy -o wide"


def go(leg: Leg, looks: dict[str, Look], seen_as: str, service: End | None) -> None:
    """Fill in the hops from the leg's source, whose packets bear the address ``seen_as``, to its target."""
    source, target = leg.source, leg.target
    here, there = looks.get(source.node), looks.get(target.node)
    version = 6 if ":" in target.address else 4
    if here is None:
        leg.hops.append(_unseen(source.node or "outside", source))
    else:
        iif = ""
        if source.kind == "pod":
            iif = _leave_pod(leg, here, source, target, service)
            if not iif:
                return
            leg.hops.append(routing.forwarding(here, iif, version))
            inside = [iif, *(pod["host"] for pod in [here.pod_with(source.address)] if pod)]
            leg.hops.append(netfilter.packet_filter(here, "filter", ("prerouting", "forward"), version, inside))
        if target.node == source.node:
            _arrive(leg, here, target, seen_as, iif)
            return
        cross(leg, here, there, target, seen_as, iif)
    if target.kind == "outside":
        leg.hops.append(Hop("", "outside", str(target), found="not looked at", verdict=UNKNOWN))
    elif there is None:
        leg.hops.append(_unseen(target.node, target))
    else:
        _come_in(leg, here, there, source, target, seen_as, version)


def _unseen(node: str, end: End) -> Hop:
    name = f"{end.kind} {end}"
    return Hop(node, "node", name, found="not looked at", wanted="its state: podnetctl inspect", verdict=UNKNOWN)


def _leave_pod(leg: Leg, look: Look, source: End, target: End, service: End | None) -> str:
    """From the pod to the node; returns the link by which the packet enters the node, "" where it doesn't."""
    pod = look.pod_with(source.address)
    if pod is None:
        leg.hops.append(_no_pod(look, source))
        return ""
    bridge = look.bridge_of(pod)
    asked = service.address if service else target.address
    leg.hops += [pod_hops.pod(look, pod, "out"), pod_hops.pod_route(look, pod, asked)]
    neighbour = look.pod_with(target.address) if target.kind == "pod" and target.node == look.node else None
    if neighbour and not service and _on_link(pod, target.address):
        leg.hops.append(pod_hops.pod_neighbour(look, pod, target.address, neighbour["mac"], neighbour["pod"]))
        leg.hops.append(bridge_hops.port(look, pod, "in"))
        seen = bridge_hops.bridge(look, bridge, "", pod_hops.gateways(pod))
        leg.hops.append(_bridging_only(seen))
        ports, version = [bridge, pod["host"], neighbour["host"]], 6 if ":" in target.address else 4
        leg.hops.append(netfilter.packet_filter(look, "filter", ("prerouting", "forward"), version, ports))
        leg.hops += [bridge_hops.port(look, neighbour, "out"), pod_hops.pod(look, neighbour, "in")]
        return ""
    gateway = alike(pod["gateways"], asked)
    mac = look.links.get(bridge, {}).get("mac")
    leg.hops.append(pod_hops.pod_neighbour(look, pod, gateway, mac, bridge))
    leg.hops.append(bridge_hops.port(look, pod, "in", to_itself=bool(service) and target.address == source.address))
    leg.hops.append(bridge_hops.bridge(look, bridge, "in", pod_hops.gateways(pod)))
    if service:
        leg.hops.append(_service(look, service))
    return bridge


def _no_pod(look: Look, end: End) -> Hop:
    hop = Hop(look.node, "pod", f"pod {end}", found="missing", wanted=f"a pod with {end.address}")
    return hop.blame(f"{look.node} has no pod with the address {end.address}", "kubectl get pod -A -o wide")


def _bridging_only(hop: Hop) -> Hop:
    """A bridge that only bridges shows no packet on its own device, and needs no address."""
    hop.sights = []
    if hop.verdict == BROKEN and "gateway" in hop.cause:
        hop.verdict, hop.suspects = SUSPECT, [hop.cause]
    return hop


def _on_link(pod: dict[str, Any], address: str) -> bool:
    return any(covers(prefix, address) for prefix in pod["prefixes"])


def _service(look: Look, service: End) -> Hop:
    hop = Hop(look.node, "service", str(service), wanted=f"one of {', '.join(service.backends) or 'no backend'}")
    chains = [c for c in look.state["filters"] if c["translates"] and c["hook"] == "prerouting"]
    hop.found = "; ".join(f"{c['family']} {c['table']} {c['chain']}" for c in chains) or "nothing translates"
    if not service.backends:
        return hop.blame(f"no ready pod is behind {service.name}", f"kubectl describe service {service.name}")
    if not chains:
        hop.doubt(f"nothing on {look.node} translates Services' addresses: is kube-proxy running?", KUBE_PROXY)
    return hop


def _come_in(leg: Leg, here: Look | None, there: Look, source: End, target: End, seen_as: str, version: int) -> None:
    """From the wire into the peer, and on to the target."""
    dev = there.overlay["underlay"] or ""
    # a node's own packets to pods bear its VTEP's address, and so the answers come by the tunnel
    device = there.overlay["device"]
    to_vtep = bool(device) and target.kind == "node" and there.has_address(target.address) == device
    tunnelled = bool(device) and (to_vtep or (target.kind == "pod" and tunnels(there, source.node)))
    outer = there.overlay["lease"]["address"] if tunnelled and there.overlay["lease"] else target.address
    entering = netfilter.packet_filter(there, "input", ("prerouting", "input"), 6 if ":" in outer else 4, [dev])
    entering.sights = [("node", dev, "in")]
    link = there.links.get(dev)
    if link is not None and not link["up"]:
        entering.blame(f"{dev}, the underlay's interface, is down", f"ip link set {dev} up")
    elif link is not None:
        _answers(entering, there, link, dev, outer)
    leg.hops.append(entering)
    if not tunnelled and target.kind != "pod":
        _arrive(leg, there, target, seen_as, dev)
        return
    iif = dev
    if tunnelled:
        leg.hops.append(tunnel.device(there, "in"))
        iif = there.overlay["device"]
    if here is not None and tunnelled:
        odd = contradiction(here, there)
        leg.hops += [odd] if odd else []
    if target.kind == "pod":
        leg.hops.append(routing.forwarding(there, iif, version))
        pod = there.pod_with(target.address)
        inside = [iif, *([there.bridge_of(pod), pod["host"]] if pod else [])]
        hooks = ("prerouting", "forward", "postrouting")
        leg.hops.append(netfilter.packet_filter(there, "filter", hooks, version, inside))
    _arrive(leg, there, target, seen_as, iif)


def _answers(hop: Hop, look: Look, link: dict[str, Any], dev: str, address: str) -> None:
    """Settings that keep a node from telling its MAC address on the underlay."""
    if link.get("noarp"):
        hop.blame(f"{dev} has ARP off: nobody on the underlay learns its MAC address", f"ip link set {dev} arp on")
    for which in ("all", dev):
        key = f"net/ipv4/conf/{which}/arp_ignore"
        if ":" not in address and look.sysctl(key) == "8":
            key = key.replace("/", ".")
            hop.blame(f"{key} is 8: {look.node} tells nobody its MAC address on the underlay", f"sysctl -w {key}=0")


def _arrive(leg: Leg, look: Look, target: End, seen_as: str, iif: str) -> None:
    """From the node's routing decision to the target on this node."""
    if target.kind == "node":
        wanted = {"dst": "", "dev": look.has_address(target.address), "gateway": None}
        leg.hops.append(routing.route(look, target.address, seen_as, iif, wanted))
        hop = netfilter.packet_filter(look, "input", ("input",), 6 if ":" in target.address else 4, [iif])
        key = "net/ipv6/icmp/echo_ignore_all" if ":" in target.address else "net/ipv4/icmp_echo_ignore_all"
        if look.sysctl(key) == "1":
            key = key.replace("/", ".")
            hop.doubt(f"{key} is 1: {look.node} answers no ping", f"sysctl -w {key}=0")
        leg.hops.append(hop)
        return
    pod = look.pod_with(target.address)
    if pod is None:
        leg.hops.append(_no_pod(look, target))
        return
    bridge = look.bridge_of(pod)
    if not iif:
        version = 6 if ":" in target.address else 4
        hooks = ("output", "postrouting")
        leg.hops.append(netfilter.packet_filter(look, "filter", hooks, version, [bridge, pod["host"]]))
    # the bridge before the route that stands on its address
    leg.hops.append(bridge_hops.bridge(look, bridge, "out", pod_hops.gateways(pod)))
    block = next((_block(prefix) for prefix in pod["prefixes"] if covers(prefix, target.address)), "")
    route = routing.route(look, target.address, seen_as, iif, {"dst": block, "dev": bridge, "gateway": None})
    route.follows = route.follows or leg.hops[-1].verdict == BROKEN
    leg.hops.append(route)
    deliver(leg, look, target, pod)


def deliver(leg: Leg, look: Look, target: End, pod: dict[str, Any]) -> None:
    """From the bridge to the pod."""
    bridge = look.bridge_of(pod)
    deliver = Hop(look.node, "deliver", f"neighbour {target.address} dev {bridge}", wanted=pod["mac"])
    leg.hops.append(
        pod_hops.entry(
            deliver, look.state["neighbours"], target.address, bridge, pod["mac"], pod["pod"],
            f"ip neighbour delete {target.address} dev {bridge}",
        )
    )  # fmt: skip
    leg.hops += [bridge_hops.port(look, pod, "out"), pod_hops.pod(look, pod, "in")]


def _block(prefix: str) -> str:
    subnet = parse_subnet(prefix)
    return f"{to_text(subnet.family, subnet.first)}/{subnet.length}"
