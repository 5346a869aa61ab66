# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's own decisions: whether it forwards, and by which route."""

from __future__ import annotations

from ....converge.sysctls import dotted_name
from ....findings.codes import Code
from ....findings.finding import Value
from ....netlink.route import ANYWHERE
from ....overlay.backend import ROUTE_PROTOCOL
from ...model.hop import Hop, Step, Verdict
from ...model.kernel import AddressState, LinkState, Lookup, RouteState
from ...model.record import record
from .node_view import (
    KERNEL,
    NodeView,
    covers,
    forbidding,
    forbids,
    origin_of,
    removal_of,
    show_lookup,
    show_route,
)

APPLY = "podnetctl apply"


@record
class Expected:
    """The route that packets should take: by ``dev``, to ``gateway`` where one is known, from the prefix ``dst``."""

    dev: str = ""
    dst: str = ""
    gateway: str = ""

    def __str__(self) -> str:
        words = (("", self.dst), ("via ", self.gateway), ("dev ", self.dev))
        return " ".join(f"{word}{value}" for word, value in words if value)

    @property
    def restore(self) -> str:
        """What brings the route back where the overlay's agent does not."""
        return f"ip route replace {self.dst} dev {self.dev}" if self.dst else APPLY


def forwarding(view: NodeView, iif: str, version: int) -> Hop:
    """Whether the node forwards packets that come in by ``iif``."""
    paths = ["net/ipv4/ip_forward"] if version == 4 else ["net/ipv6/conf/all/forwarding"]
    paths.append(f"net/ipv{version}/conf/{iif}/forwarding")
    hop = Hop(view.node, Step.FORWARDING, dotted_name(paths[0]), desired="1")
    values = {path: view.sysctl(path) for path in paths}
    hop.actual = ", ".join(dict.fromkeys(value for value in values.values() if value is not None)) or "unknown"
    off = next((path for path, value in values.items() if value == "0"), "")
    if off:
        hop.name = dotted_name(off)
        hop.fail(Code.FORWARDING_OFF, hop.name, device=iif)
    return hop


def route(view: NodeView, target: str, source: str, iif: str, expected: Expected) -> Hop:
    """The kernel's decision; ``iif`` is "" for the node's own packets."""
    hop = Hop(view.node, Step.ROUTE, f"route to {target}", desired=str(expected), destination=target)
    found = view.lookup(target, source, iif)
    plain = view.lookup(target) or found
    if found is None:
        hop.verdict = Verdict.UNKNOWN
        hop.actual = f"unknown: {iif} is down or missing" if iif else "unknown"
        return hop
    hop.actual = show_lookup(found)
    blocked = device_fault(view, expected.dev)
    taken = found.route or (plain.route if plain else None)
    drifted = _drifted(view, expected.dst)
    restore = APPLY if drifted else expected.restore
    if taken is None or forbids(taken):
        return _no_route(view, hop, plain or found, taken, restore, drifted, blocked)
    if taken.dev != expected.dev or (expected.gateway and taken.gateway != expected.gateway):
        more = {"route": show_route(taken), "origin": origin_of(taken), "expected": str(expected)}
        ours = drifted and taken.dst == expected.dst and taken.protocol == ROUTE_PROTOCOL
        if taken.dst in ANYWHERE.values() or ours:
            more["origin"] = "the overlay's own" if ours else more["origin"]
            return hop.fail(Code.ROUTE_WRONG, target, blocked, restore=restore, **more)
        remove = _take_away(view, taken) + (f"; {APPLY}" if drifted else "")
        return hop.fail(Code.ROUTE_SHADOWED, target, remove=remove, **more)
    if found.route is None:
        return _refused(view, hop, found, source, iif)
    if view.overlay.mtu and 0 < (taken.mtu or 0) < view.overlay.mtu:
        remove = APPLY if drifted else f"ip route delete {show_route(taken)}; {APPLY}"
        hop.suspect(Code.ROUTE_MTU_TOO_SMALL, target, route=show_route(taken), mtu=taken.mtu, remove=remove)
    for other in view.state.lookups:
        if other.rule is None or (other.target, other.source, other.iif) != (target, source, iif):
            continue
        if _leads(other) != _leads(found):
            more = {"packet": other.rule.selector, "route": show_lookup(other), "rule": str(other.rule)}
            hop.suspect(Code.RULE_DIVERTS, target, remove=other.rule.fix, **more)
    return hop


def _no_route(
    view: NodeView, hop: Hop, found: Lookup, taken: RouteState | None, restore: str, drifted: bool, blocked: bool
) -> Hop:
    """Packets to the hop's destination lead nowhere: a route or a policy rule forbids them, or there is none."""
    target = hop.destination
    error = found.error or (taken and taken.type) or ""
    wall = forbidding(view.state.foreign_routes, target)
    if wall:
        return hop.fail(
            Code.ROUTE_FORBIDS, target, route=show_route(wall), origin=origin_of(wall), remove=removal_of(wall)
        )
    if view.state.rules and not drifted:
        return _ruled(view, hop, error, blocked)
    return hop.fail(Code.ROUTE_MISSING, target, blocked, error=error, restore=restore)


def _drifted(view: NodeView, dst: str) -> bool:
    """Whether the agent would change the route to that prefix."""
    steps = view.drift(RouteState)
    return any(isinstance(thing := step.wanted or step.actual, RouteState) and thing.dst == dst for step in steps)


def _leads(found: Lookup) -> tuple[str | None, ...]:
    taken = found.route
    return (taken.type, taken.dev, taken.gateway) if taken else (None, None, None)


def _take_away(view: NodeView, taken: RouteState) -> str:
    """What removes a route: the address that it comes from, where the kernel itself has made it."""
    if taken.protocol == KERNEL:
        for each in view.state.addresses:
            if each.dev == taken.dev and covers(taken.dst, each.ip):
                return f"ip address delete {each.address} dev {each.dev}"
    return removal_of(taken)


def _refused(view: NodeView, hop: Hop, found: Lookup, source: str, iif: str) -> Hop:
    """There is a route, and yet the kernel would not forward the packet: the reverse path, or forwarding is off."""
    # the larger of the two counts (ip-sysctl); 1 is strict, 2 is loose
    strict = max(view.sysctl(f"net/ipv4/conf/{name}/rp_filter") or "0" for name in ("all", iif))
    reverse = view.lookup(source)
    back = reverse.route if reverse else None
    if back and back.type == "local":
        return hop.fail(Code.SOURCE_IS_LOCAL, source, route=show_route(back), remove=_take_away(view, back))
    if reverse and forbids(back):
        return _no_way_back(view, hop, source)
    if ":" not in source and strict == "1" and (back is None or back.dev != iif):
        hop.step = Step.RP_FILTER
        effect = bool(view.drift(RouteState)) and not view.state.foreign_routes
        route = show_route(back) if back else "no route"
        key = dotted_name(f"net/ipv4/conf/{iif}/rp_filter")
        return hop.fail(Code.RP_FILTER_STRICT, source, effect, device=iif, route=route, key=key)
    off = "0" in (view.sysctl("net/ipv4/ip_forward"), view.sysctl(f"net/ipv4/conf/{iif}/forwarding"))
    off = off and ":" not in source
    if view.state.rules and not off:
        return _ruled(view, hop, found.error, False)
    return hop.fail(Code.ROUTE_REFUSED, hop.destination, off, device=iif, error=found.error, source=source)


def _no_way_back(view: NodeView, hop: Hop, source: str) -> Hop:
    """The kernel takes what comes from the source for martian: it has no route to it."""
    wall = forbidding(view.state.foreign_routes, source)
    if wall:
        more = {"route": show_route(wall), "origin": origin_of(wall), "remove": removal_of(wall)}
        return hop.fail(Code.RETURN_ROUTE_FORBIDS, source, **more)
    sides = [step.wanted or step.actual for step in view.drift(RouteState)]
    drifted = any(isinstance(route, RouteState) and covers(route.dst, source) for route in sides)
    restore = APPLY if drifted else f"ip route get {source}"
    effect = bool(view.device) and device_fault(view, view.device)
    return hop.fail(Code.RETURN_ROUTE_MISSING, source, effect, restore=restore)


def _ruled(view: NodeView, hop: Hop, error: str, consequence: bool) -> Hop:
    """A policy rule that is not the kernel's own is the likeliest reason."""
    known = view.state.rules
    rules = [f"no {rule}" if rule.missing else str(rule) for rule in known]
    more: dict[str, Value] = {"error": error, "rules": rules, "remove": known[0].fix}
    return hop.fail(Code.RULE_FORBIDS, hop.destination, consequence, **more)


def device_fault(view: NodeView, dev: str) -> bool:
    """Whether something is wrong with the device that a route needs."""
    link = view.links.get(dev)
    if link is None or not link.up:
        return True
    recreated = any(step.action != "change" for step in view.drift(LinkState, name=dev))
    return recreated or bool(view.drift(AddressState, dev=dev))
