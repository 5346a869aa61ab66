# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A packet's path from one end to the other and back.

A pure function of the nodes' states, and of what is known of Services.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...ipam.ip import alike, version_of
from ...overlay.lease import Lease
from ..model.endpoint import Endpoint
from ..model.hop import Verdict
from ..model.path import Direction, Path
from ..model.state import NodeState
from ..model.trace import Fault
from .hops.node_view import NodeView
from .node_to_node import hides, tunnels
from .one_way import deliver, go
from .resolve import at

Views = dict[str, NodeView]  # by the node's name


def flows(source: Endpoint, target: Endpoint, states: Iterable[NodeState]) -> list[tuple[str, str]]:
    """The (source, destination) addresses that the nodes must be asked about."""
    views = _views(states)
    targets = target.backends or (target.address,)
    pairs = [(_seen_as(source, at(each, [*views.values()]), views), each) for each in targets]
    if source.kind == "node":
        # the peer's state alone does not show whether a node's own packets come by the tunnel
        pairs += [(_own_address(source, each, views), each) for each in targets]
    if target.kind == "service":
        pairs.append((source.address, target.address))
    mask = _mask(source, target, views)
    if mask:
        pairs.append((mask.address, target.address))
    return [*dict.fromkeys(pairs)]


def walk(source: Endpoint, target: Endpoint, states: Iterable[NodeState]) -> list[Path]:
    """The paths forward and back, every hop judged. A Service is followed to its first endpoint on another node."""
    views = _views(states)
    final = _endpoint_of(source, target, views)
    seen_as = _seen_as(source, final, views)
    forward = Path(Direction.FORWARD, source, final)
    go(forward, views, seen_as, target if target.kind == "service" else None)
    back = Path(Direction.RETURN, final, replace(source, address=seen_as))
    mask = _mask(source, final, views)
    if mask:
        back.target = mask
        go(back, views, final.address, None)
        back.target = source
        pod = views[source.node].pod_with(source.address)
        if pod:
            deliver(back, views[source.node], source, pod)
    elif final.kind != "outside" and not (final.kind == source.kind == "pod" and final.address == source.address):
        go(back, views, final.address, None)
    return [path for path in (forward, back) if path.hops]


def final(source: Endpoint, target: Endpoint, states: Iterable[NodeState]) -> tuple[Endpoint, str]:
    """Where the path ends, which for a Service is a pod behind it, and the source's address on its packets."""
    views = _views(states)
    end = _endpoint_of(source, target, views)
    return end, _seen_as(source, end, views)


def first_fault(paths: list[Path]) -> Fault | None:
    """The first broken hop that is no effect of another; else the first broken one."""
    broken = [Fault(path, hop) for path in paths for hop in path.hops if hop.verdict == Verdict.BROKEN]
    return next((fault for fault in broken if not fault.hop.consequence), broken[0] if broken else None)


def _views(states: Iterable[NodeState]) -> Views:
    return {state.node: NodeView(state) for state in states}


def _endpoint_of(source: Endpoint, target: Endpoint, views: Views) -> Endpoint:
    """The target, or an endpoint of the Service that it is."""
    if target.kind != "service" or not target.backends:
        return target
    ends = [at(each, [*views.values()]) for each in target.backends]
    if target.local:
        own = target.node or source.node
        return next((end for end in ends if end.node == own), ends[0])
    return next((end for end in ends if end.node != source.node), ends[0])


def _mask(source: Endpoint, target: Endpoint, views: Views) -> Endpoint | None:
    """The node whose address hides the pod's from another node, None where nothing is hidden."""
    view = views.get(source.node)
    if source.kind != "pod" or target.kind != "node" or source.node == target.node or view is None:
        return None
    own, config = view.overlay.lease, view.overlay.config
    if not own or not config or not config.masquerade_nodes or not hides(config, target.address):
        return None
    return Endpoint("node", view.node, own.address, view.node)


def _seen_as(source: Endpoint, target: Endpoint, views: Views) -> str:
    """The address that the source's packets to the target bear: a node's own come from the tunnel's device."""
    lease = _lease(source.node, views)
    if source.kind != "node" or target.kind != "pod" or not lease:
        return source.address
    version = version_of(target.address)
    cidr = next((cidr for cidr in lease.pod_cidrs if cidr.version == version), None)
    if cidr and target.node == source.node:
        return cidr.address(1)  # the bridge's
    ends = ((views.get(source.node), target.node), (views.get(target.node), source.node))
    if cidr and any(tunnels(view, other) for view, other in ends if view):
        return cidr.address()
    return _own_address(source, target.address, views)


def _own_address(source: Endpoint, target: str, views: Views) -> str:
    """The node's address on the underlay of the target's IP version."""
    lease = _lease(source.node, views)
    return alike(lease.addresses if lease else (), target) or source.address


def _lease(node: str, views: Views) -> Lease | None:
    """The lease of a node, as itself or as another node knows it."""
    if node in views:
        return views[node].overlay.lease
    return next((peer.lease for view in views.values() for peer in [view.peer(node)] if peer), None)
