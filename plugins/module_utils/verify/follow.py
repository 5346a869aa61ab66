# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on a way: the state of its hops and the evidence of packets, put together.

State comes first: a hop that is not what it must be is named, whatever the packets did. Then packets: where they were
seen for the last time, and where they should have come next.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, NamedTuple

from . import end, evidence, lost, state, way
from .end import End
from .hops.base import BROKEN, STEPS, SUSPECT, Hop
from .leg import Leg
from .state import Places

SCHEMA = 1
#: Seconds that the sender leaves the other nodes to begin watching.
DELAY = 0.7


def new_mark() -> str:
    """What a trace's echoes are known by."""
    return f"podnet {secrets.token_hex(4)}"


class Asked(NamedTuple):
    """A way that is asked about: its ends; with ``mark``, what its echoes are known by, packets are sent along it, to
    the TCP and UDP ``port``, or watched for."""

    source: End
    target: End
    mark: str = ""
    port: int = 9


def look(ways: Sequence[Asked], places: Places, delay: float = DELAY) -> list[dict[str, Any]]:
    """This node's state for each of ``ways``; for those with a mark also its ``evidence``, which takes part in a trace
    of several nodes at a time: the source's node sends after ``delay`` seconds, the others watch. All ways at a time,
    so that however long one takes, its nodes look at the next one together.

    Raises OSError and NetlinkError where the node can't be asked.
    """
    own = state.collect((), places)
    found = [state.collect(way.flows(one.source, one.target, [own]), places) for one in ways]
    marked = [(told, *one, delay) for told, one in zip(found, ways) if one.mark]
    if marked:
        with ThreadPoolExecutor(len(marked)) as threads:  # each thread enters pods' namespaces for itself (setns(2))
            list(threads.map(lambda arguments: _gather(*arguments), marked))
    return found


def _gather(own: dict[str, Any], source: End, target: End, mark: str, port: int, delay: float) -> None:
    """Put this node's evidence into its state."""
    final, seen_as = way.final(source, target, [own])
    asked = target if target.kind == "service" else None
    own["evidence"] = evidence.gather(own, source, final, mark, port, seen_as, delay, asked)


def here(
    source_text: str, target_text: str, places: Places, others: list[dict[str, Any]], *, port: int, probing: bool
) -> dict[str, Any]:
    """Trace from this node, whose pod (or itself) the source is; ``others`` are the states of other nodes.

    Raises EndError for ends that can't be traced from here, OSError and NetlinkError where the node can't be asked.
    """
    own = state.collect((), places)
    source = end.resolve(source_text, [own, *others])
    target = end.resolve(target_text, [own, *others])
    turned = source.node != own["node"] and target.node == own["node"] and target.kind in ("pod", "node")
    if turned:
        source, target = target, source
    if source.node != own["node"] and any(one["node"] == source.node for one in others):
        probing = False  # by what the other node told, and what this one has
    elif source.node != own["node"]:
        where = f"{source.node}'s" if source.node else "outside the cluster"
        raise end.EndError(f"{source}: is {where}, this is {own['node']}: trace it there, or with playbooks/trace.yml")
    pairs = way.flows(source, target, [own, *others])
    states = [state.collect(pairs, places), *others]
    if probing:
        _gather(states[0], source, target, new_mark(), port, 0)
    told = judge(source, target, states)
    if turned:
        told["notes"].insert(0, f"traced from its other end: {own['node']} has {source}, not {target}")
    return told


def judge(source: End, target: End, states: list[dict[str, Any]]) -> dict[str, Any]:
    """The traced way, JSON-ready (docs/the-packets-way.md): ``ok``, ``verdict``, ``legs``, ``probes``, ``notes``."""
    legs = way.walk(source, target, states)
    gathered = [one["evidence"] for one in states if "evidence" in one]
    probes = [result for one in gathered for result in one["probes"]]
    found = [one for one in gathered if not missed(one, gathered, probes)]
    by_node = {one["node"]: one for one in found}
    lost.count(legs, by_node)
    fault = way.first_fault(legs)
    if fault is None:
        fault = lost.fault(legs, by_node, probes)
    failed = [probe for probe in probes if probe["scope"] in ("way", "service") and not probe["ok"]]
    ok = fault is None and not failed
    notes = _notes(legs, fault)
    if not ok:
        late = [one["node"] for one in gathered if one not in found]
        told = "did not watch while packets were sent (a busy machine, or its clock): trace once more"
        notes += [f"{node} {told}" for node in late]
    return {
        "schema": SCHEMA,
        "from": asdict(source),
        "to": asdict(target),
        "ok": ok,
        "verdict": _verdict(*fault) if fault else None,
        "legs": [leg.as_json() for leg in legs],
        "probes": probes,
        "notes": notes,
    }


def missed(one: dict[str, Any], gathered: list[dict[str, Any]], probes: list[dict[str, Any]]) -> bool:
    """Whether a node did not look from the first packet to the last: it saw none though some passed, or the clocks say
    so. Who has seen everything needed not look on."""
    if one["sent"] or one["complete"]:
        return False
    if not one["seen"] and any(probe["ok"] for probe in probes if probe["scope"] == "way"):
        return True
    first, last = one["watched"]
    sent = [other["watched"] for other in gathered if other["sent"]]
    return any(began < first or last < ended for began, ended in sent)


def _verdict(leg: Leg, hop: Hop) -> dict[str, Any]:
    return {
        "node": hop.node, "step": hop.step, "what": STEPS.get(hop.step, hop.step), "name": hop.name, "way": leg.way,
        "cause": hop.cause, "cure": hop.cure,
    }  # fmt: skip


def _notes(legs: list[Leg], fault: tuple[Leg, Hop] | None) -> list[str]:
    """What else is wrong on the way, or may be when something is."""
    if fault is None:
        return []
    named = fault[1]
    told = [
        f"{hop.node}: {hop.cause}"
        for leg in legs
        for hop in leg.hops
        if hop is not named and hop.cause and hop.cause != named.cause and hop.verdict in (BROKEN, SUSPECT)
    ]
    return list(dict.fromkeys(told))
