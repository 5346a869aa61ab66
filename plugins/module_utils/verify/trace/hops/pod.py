# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pod's end of the path: its interface, its routes, whom it takes its gateway for."""

from __future__ import annotations

from ....converge.sysctls import dotted_name
from ....findings.codes import Code
from ....ipam.ip import alike
from ....netlink.route import ANYWHERE
from ...model.hop import CapturePoint, Hop, Step, Verdict
from ...model.kernel import LinkState, NeighborState, RouteState
from ...model.state import PodState
from .netfilter import suspect_chain, suspect_qdisc
from .node_view import (
    NodeView,
    covers,
    enter,
    find_lookup,
    forbidding,
    forbids,
    inside,
    recreate,
    removal_of,
    show_lookup,
    show_route,
)

#: Fewer hops than these do not lead out of a cluster and its surroundings.
FEW = 16
DEFAULTS = tuple(ANYWHERE.values())


def pod(view: NodeView, pod: PodState, direction: str) -> Hop:
    """The pod's interface: there, up, with its addresses and the network's MTU."""
    link, name, mtu = pod.link, pod.interface, view.overlay.mtu
    hop = Hop(view.node, Step.POD, f"{pod.name} {name}", capture_points=[CapturePoint(pod.name, name, direction)])
    hop.desired = f"up, {', '.join(pod.prefixes)}, MTU {mtu}"
    if pod.error:
        return hop.fail(Code.POD_NETNS_GONE, pod.name, error=pod.error, recreate=recreate(pod))
    if link is None:
        hop.actual = "missing"
        return hop.fail(Code.POD_INTERFACE_MISSING, pod.name, interface=name, recreate=recreate(pod))
    hop.actual = f"{'up' if link.up else 'down'}, {', '.join(pod.addresses_found) or 'no address'}, MTU {link.mtu}"
    if not link.up:
        hop.fail(Code.POD_INTERFACE_DOWN, pod.name, interface=name, enter=enter(pod))
    again = {"interface": name, "enter": enter(pod), "recreate": recreate(pod)}
    for wanted in pod.prefixes:
        if wanted not in pod.addresses_found:
            actual = [each for each in pod.addresses_found if not each.startswith("fe80:")]
            hop.fail(Code.POD_ADDRESS_MISSING, pod.name, address=wanted, actual=actual, **again)
    if link.up and link.operstate in ("DOWN", "LOWERLAYERDOWN"):
        port_is_down = True
        hop.fail(Code.POD_NO_CARRIER, pod.name, port_is_down, interface=name, port=pod.host)
    if pod.mac and link.mac != pod.mac:
        hop.suspect(Code.POD_MAC_CHANGED, pod.name, mac=link.mac, expected=pod.mac, **again)
    if mtu and (link.mtu or 0) > mtu:
        hop.fail(Code.POD_MTU_TOO_LARGE, pod.name, mtu=link.mtu, expected=mtu, **again)
    _answering(hop, pod, link)
    for chain in pod.chains:
        suspect_chain(hop, chain, pod.name, enter(pod))
    for qdisc in pod.qdiscs:
        suspect_qdisc(hop, qdisc, pod.name, enter(pod))
    return hop


def _answering(hop: Hop, pod: PodState, link: LinkState) -> None:
    """Settings in the pod that keep it from answering."""
    name, sysctls = pod.interface, pod.sysctls
    if link.noarp:
        hop.fail(Code.POD_ARP_OFF, pod.name, interface=name, enter=enter(pod))
    for path, odd, code in (
        *((f"net/ipv4/conf/{each}/arp_ignore", "8", Code.POD_ARP_IGNORED) for each in ("all", name)),
        ("net/ipv4/icmp_echo_ignore_all", "1", Code.POD_ECHO_IGNORED),
        ("net/ipv6/icmp/echo_ignore_all", "1", Code.POD_ECHO_IGNORED),
    ):
        if sysctls.get(path) == odd:
            hop.suspect(code, pod.name, key=dotted_name(path), value=odd, enter=enter(pod))
    for path in ("net/ipv4/ip_default_ttl", "net/ipv6/conf/eth0/hop_limit"):
        value = sysctls.get(path) or "64"
        if int(value) < FEW:
            hop.suspect(Code.POD_TTL_TOO_LOW, pod.name, key=dotted_name(path), value=value, enter=enter(pod))
    for each in ("all", name):
        path = f"net/ipv6/conf/{each}/disable_ipv6"
        if sysctls.get(path) == "1" and alike(pod.prefixes, "::"):
            again = {"enter": enter(pod), "recreate": recreate(pod)}
            hop.fail(Code.POD_IPV6_DISABLED, pod.name, key=dotted_name(path), **again)


def pod_route(view: NodeView, pod: PodState, target: str) -> Hop:
    """The route that the pod's own kernel takes."""
    gateway = alike(pod.gateways, target)
    hop = Hop(view.node, Step.POD_ROUTE, f"route to {target} in {pod.name}", destination=target, pod=pod.name)
    local = any(covers(prefix, target) for prefix in pod.prefixes)
    hop.desired = f"dev {pod.interface}" if local else f"via {gateway} dev {pod.interface}"
    found = find_lookup(pod.lookups, target)
    if found is None:
        hop.verdict = Verdict.UNKNOWN
        return hop
    route = found.route
    hop.actual = show_lookup(found)
    restore = _restore(pod, gateway, route)
    down = not (pod.link and pod.link.up)
    if route is None or forbids(route):
        wall = forbidding(pod.routes, target)
        if wall:
            more = {"destination": target, "route": show_route(wall), "remove": inside(pod, removal_of(wall))}
            return hop.fail(Code.POD_ROUTE_FORBIDS, pod.name, **more)
        if pod.rules:
            rule, remove = str(pod.rules[0]), inside(pod, pod.rules[0].fix)
            return hop.fail(Code.POD_RULE_FORBIDS, pod.name, down, destination=target, rule=rule, remove=remove)
        return hop.fail(Code.POD_ROUTE_MISSING, pod.name, down, destination=target, error=found.error, restore=restore)
    if route.dev != pod.interface or (not local and route.gateway != gateway):
        if route.dst not in DEFAULTS:
            restore = inside(pod, f"ip route delete {route.dst}")
        more = {"destination": target, "route": show_route(route), "expected": hop.desired, "restore": restore}
        return hop.fail(Code.POD_ROUTE_WRONG, pod.name, down, **more)
    for each in pod.rules:  # the route that was asked for has no source
        hop.suspect(Code.POD_RULE_FOREIGN, pod.name, rule=str(each), remove=inside(pod, each.fix))
    return hop


def pod_gateways(view: NodeView, pod: PodState) -> list[Hop]:
    """The pod's routes to all that is not on its own link."""
    found = []
    down = not (pod.link and pod.link.up) or bool(pod.error)
    for gateway in pod.gateways:
        hop = Hop(view.node, Step.POD_ROUTE, f"default route of {pod.name}", desired=f"via {gateway}", pod=pod.name)
        default = next((route for route in pod.routes if route.dst == alike(DEFAULTS, gateway)), None)
        hop.actual = show_route(default) if default else "missing"
        restore = _restore(pod, gateway, default)
        if default is None:
            hop.fail(Code.POD_DEFAULT_ROUTE_MISSING, pod.name, down, gateway=gateway, restore=restore)
        elif default.gateway != gateway:
            more = {"route": show_route(default), "gateway": gateway, "restore": restore}
            hop.fail(Code.POD_DEFAULT_ROUTE_WRONG, pod.name, down, **more)
        found.append(hop)
    return found


def _restore(pod: PodState, gateway: str, taken: RouteState | None) -> str:
    """What makes the pod's default route lead by its gateway: where it does so already, another comes before it."""
    defaults = [route for route in pod.routes if route.dst in DEFAULTS]
    shadowed = taken in defaults and any(route.gateway == gateway for route in defaults)
    command = removal_of(taken) if taken and shadowed else f"ip route replace default via {gateway} dev {pod.interface}"
    return f"{inside(pod, command)} (or {recreate(pod)})"


def gateways(pod: PodState) -> list[str]:
    """The bridge's addresses as a pod's result implies them: its gateways, in its own prefixes."""
    lengths = {":" in prefix: prefix.partition("/")[2] for prefix in pod.prefixes}
    return [f"{each}/{lengths[':' in each]}" for each in pod.gateways if (":" in each) in lengths]


def pod_neighbor(view: NodeView, pod: PodState, target: str, mac: str | None, owner: str) -> Hop:
    """The pod's neighbor entry for where it sends to next: its gateway, or a pod on the same bridge."""
    hop = Hop(view.node, Step.POD_NEIGHBOR, f"neighbor {target} in {pod.name}", pod=pod.name)
    hop.destination, hop.device = target, pod.interface
    return entry(hop, pod.neighbors, mac, owner, pod.name, enter(pod))


def entry(hop: Hop, entries: list[NeighborState], mac: str | None, owner: str, place: str, enter: str = "") -> Hop:
    """The entry for the hop's destination on its device, which ARP or NDP make by themselves: none is fine, a wrong one
    that stays is not. ``mac`` is what ``owner`` has."""
    target, dev = hop.destination, hop.device
    hop.desired = mac or "a MAC address"
    known = next((each for each in entries if (each.dst, each.dev) == (target, dev)), None)
    if known is None:
        hop.actual = "no entry (resolved on demand)"
        return hop
    hop.actual = f"{known.mac or 'no MAC address'} ({known.state})"
    more = {"device": dev, "place": place, "remove": f"{enter}ip neighbour delete {target} dev {dev}"}
    if known.state in ("failed", "incomplete"):
        return hop.suspect(Code.NEIGHBOR_FAILED, target, **more)
    if mac and known.mac != mac:
        report = hop.fail if known.state in ("permanent", "noarp") else hop.suspect
        return report(Code.NEIGHBOR_WRONG_MAC, target, mac=known.mac, expected=mac, owner=owner, **more)
    return hop
