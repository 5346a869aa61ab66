# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's part in traces: its state on the paths that are asked about, the packets that it sends and watches."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.endpoint import Endpoint, EndpointError
from ..model.judged import NAMES
from ..model.request import TraceRequest, new_mark
from ..model.state import NodeState
from ..model.trace import Trace
from ..observe import node as node_state
from ..observe.node import Places
from ..observe.policy import PolicyReader
from . import resolve, round_trip, verdict
from .hops import service as services

#: Seconds that the sender leaves the other nodes to begin watching.
DELAY = 0.7


def look(requests: Sequence[TraceRequest], places: Places, delay: float = DELAY) -> list[NodeState]:
    """This node's state for each of ``requests``; for those with a mark also its ``evidence``, which takes part in a
    trace of several nodes at a time: the source's node sends after ``delay`` seconds, the others watch. All at a time,
    so that however long one takes, its nodes look at the next one together.

    Raises OSError and NetlinkError where the node cannot be asked.
    """
    own = node_state.collect(places)
    found = [
        node_state.along(own, round_trip.flows(one.source, one.target, [own]), places, one.port) for one in requests
    ]
    policies = PolicyReader(places.config, places.run, places.root)
    marked = [(state, one, delay, policies) for state, one in zip(found, requests) if one.mark]
    if marked:
        from concurrent.futures import ThreadPoolExecutor  # with logging, and all that it needs

        with ThreadPoolExecutor(len(marked)) as threads:  # each thread enters pods' namespaces for itself (setns(2))
            list(threads.map(lambda arguments: _gather(*arguments), marked))
    return found


def _gather(own: NodeState, request: TraceRequest, delay: float, policies: PolicyReader) -> None:
    """Put this node's evidence into its state."""
    from ..probe import session  # only where packets are sent

    source, target = request.source, request.target
    final, seen_as = round_trip.final(source, target, [own])
    asked = target if target.kind == "service" else None
    own.evidence = session.gather(own, source, final, request.mark, request.port, seen_as, delay, asked)
    own.evidence.policy_drops = policies.drops_since(own.policy.drops) if own.policy else []


def here(
    source_text: str, target_text: str, places: Places, others: list[NodeState], *, port: int, probing: bool
) -> Trace:
    """Trace from this node, whose pod (or itself) the source is; ``others`` are the states of other nodes.

    Raises EndpointError for ends that cannot be traced from here, OSError and NetlinkError where the node cannot be
    asked.
    """
    own = node_state.collect(places)
    source = resolve.resolve(source_text, [own, *others])
    target = resolve.resolve(target_text, [own, *others])
    swapped = source.node != own.node and target.node == own.node and target.kind in ("pod", "node")
    if swapped:
        source, target = target, source
    if source.node != own.node and any(one.node == source.node for one in others):
        probing = False  # by the other node's state, and this one's
    elif source.node != own.node:
        where = f"on {source.node}" if source.node else "outside the cluster"
        raise EndpointError(f"{source}: is {where}, this is {own.node}: trace it there, or with playbooks/trace.yml")
    if target.kind == "outside" and source.node == own.node:
        target = _service(own, source, target, places, port)
    pairs = round_trip.flows(source, target, [own, *others])
    states = [node_state.along(own, pairs, places, port), *others]
    if probing:
        policies = PolicyReader(places.config, places.run, places.root)
        _gather(states[0], TraceRequest(source, target, new_mark(), port), 0, policies)
    trace = verdict.judge(source, target, states)
    trace.swapped = swapped
    return trace


def _service(own: NodeState, source: Endpoint, target: Endpoint, places: Places, port: int) -> Endpoint:
    """The address as a Service with the endpoints that kube-proxy's rules of this node lead to, where they do."""
    state = node_state.along(own, [(source.address, target.address)], places, port)
    packets = [each for each in state.judged if not each.reply]
    backends = services.reached(packets)
    if not backends:
        return target
    protocols = tuple(NAMES[each.protocol] for each in packets if services.reached([each]))
    return Endpoint("service", target.name, target.address, "", tuple(sorted(backends)), False, protocols)
