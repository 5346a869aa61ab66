# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's state, with what the hops ask of it; and the kernel's objects as ``ip`` writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from ....ipam.ip import parse_address
from ....ipam.prefix import Prefix, parse_network_of
from ....netlink.route import RT_TABLE_MAIN
from ....overlay.lease import Lease
from ...model.judged import JudgedPacket
from ...model.kernel import LinkState, Lookup, RouteState
from ...model.state import DriftStep, NodeState, Peer, PodState

KERNEL = 2  # rtnetlink.h RTPROT_KERNEL: routes that come with an address or a link

T = TypeVar("T")


class NodeView:
    """A node's state, with what the hops ask of it."""

    def __init__(self, state: NodeState) -> None:
        self.state = state
        self.node = state.node
        self.overlay = state.overlay
        self.links = state.links

    @property
    def device(self) -> str:
        """The tunnel's device, "" where there is none."""
        return self.overlay.device or ""

    @property
    def underlay(self) -> str:
        """The link that has the node's own address, "" where it is not known."""
        return self.overlay.underlay or ""

    @property
    def lease(self) -> Lease:
        """The node's own lease. To be asked only of a node with an overlay."""
        assert self.overlay.lease is not None
        return self.overlay.lease

    def peer(self, node: str) -> Peer | None:
        return next((peer for peer in self.overlay.peers if peer.lease.name == node), None)

    def leases(self) -> list[Lease]:
        """The node's own lease, and those of its peers."""
        own = [self.overlay.lease] if self.overlay.lease else []
        return [*own, *(peer.lease for peer in self.overlay.peers)]

    def drift(self, kind: type, **values: Any) -> list[DriftStep]:
        """The plan's steps about kernel objects of a kind with these values, on either side."""
        return [
            step
            for step in self.state.drift
            if any(isinstance(thing, kind) and _matches(thing, values) for thing in (step.wanted, step.actual))
        ]

    def desired(self, kind: type[T], **values: Any) -> T | None:
        """The desired kernel object of a kind with these values."""
        found = (thing for thing in self.state.desired if isinstance(thing, kind) and _matches(thing, values))
        return next(found, None)

    def desired_link(self) -> LinkState:
        """The tunnel's device as it should be; nothing of it where there is none."""
        return self.desired(LinkState, name=self.device) or LinkState(self.device)

    def lookup(self, target: str, source: str | None = None, iif: str = "") -> Lookup | None:
        return find_lookup(self.state.lookups, target, source, iif)

    def judged(self, source: str, target: str) -> list[JudgedPacket]:
        """What this node's rules do with packets from ``source`` to ``target``, by protocol."""
        return [each for each in self.state.judged if (each.source, each.target) == (source, target)]

    def sysctl(self, name: str) -> str | None:
        return self.state.sysctls.get(name)

    def pod_with(self, address: str) -> PodState | None:
        """The pod of this node that was given the address, or that has it all the same."""
        for pod in self.state.pods:
            if address in pod.addresses:
                return pod
        for pod in self.state.pods:
            if any(each.partition("/")[0] == address for each in pod.addresses_found):
                return pod
        return None

    def bridge_of(self, pod: PodState) -> str:
        return pod.bridge or self.state.cni.bridge

    def has_address(self, address: str) -> str:
        """The link with that address, "" if there is none."""
        return next((each.dev for each in self.state.addresses if each.ip == address), "")


def _matches(thing: object, values: dict[str, Any]) -> bool:
    return all(getattr(thing, name) == value for name, value in values.items())


def find_lookup(lookups: list[Lookup], target: str, source: str | None = None, iif: str = "") -> Lookup | None:
    """The decision on packets that no policy rule singles out."""
    for each in lookups:
        if (each.target, each.iif, each.rule) == (target, iif, None) and (not iif or each.source == source):
            return each
    return None


def covers(prefix: str | Prefix, address: str) -> bool:
    """Whether the address is inside."""
    block = parse_network_of(prefix)[0] if isinstance(prefix, str) else prefix
    return block.holds(*parse_address(address))


def enter(pod: PodState) -> str:
    """What stands before a command that is to work in the pod's network namespace."""
    return f"nsenter --net={pod.netns} "


def inside(pod: PodState, command: str) -> str:
    """A command for the operator that works in the pod's network namespace."""
    return enter(pod) + command


def recreate(pod: PodState) -> str:
    """How a pod gets a new interface."""
    namespace, _slash, name = pod.name.partition("/")
    return f"kubectl --namespace {namespace} delete pod {name}" if namespace and name else "recreate the pod"


#: Kinds of routes that lead nowhere.
FORBIDDING = ("unreachable", "blackhole", "prohibit", "throw")


def forbids(route: RouteState | None) -> bool:
    """Whether packets end here: at such a route, or for want of any."""
    return route is None or route.type in FORBIDDING


def forbidding(found: Iterable[RouteState], target: str) -> RouteState | None:
    """The narrowest of these routes that leads the target nowhere, None if none does."""
    those = (route for route in found if route.type in FORBIDDING and route.protocol != KERNEL)
    return max(
        (route for route in those if covers(route.dst, target)),
        key=lambda route: parse_network_of(route.dst)[0].length,
        default=None,
    )


def removal_of(taken: RouteState) -> str:
    """What takes a route away."""
    table = f" table {taken.table}" if taken.table != RT_TABLE_MAIN else ""
    return f"ip route delete {show_route(taken)}{table}"


def origin_of(taken: RouteState) -> str:
    """What made a route, by its protocol (rtnetlink.h RTPROT_*)."""
    origins = {2: "by the kernel", 3: "added by hand", 4: "static", 16: "by DHCP", 186: "by BGP"}
    return origins.get(taken.protocol or 0, f"protocol {taken.protocol}")


def show_route(taken: RouteState) -> str:
    """A route as ``ip route`` writes it."""
    words = [*(kind for kind in [taken.type] if kind in FORBIDDING), taken.dst]
    if taken.gateway:
        words += ["via", taken.gateway]
    if taken.dev:
        words += ["dev", taken.dev]
    return " ".join(words)


def show_lookup(found: Lookup) -> str:
    """The route that was found, or why there is none."""
    return show_route(found.route) if found.route else f"none: {found.error}"
