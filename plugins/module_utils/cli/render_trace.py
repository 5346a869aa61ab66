# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A trace in words, and as JSON (docs/tracing.md has the keys): here its findings get their texts."""

from __future__ import annotations

from typing import Any

from ..findings import render as words
from ..records.codec import to_json
from ..verify.model.endpoint import Endpoint
from ..verify.model.evidence import ProbeResult
from ..verify.model.hop import Hop, Step, Verdict
from ..verify.model.path import Direction, Path
from ..verify.model.trace import Fault, Trace
from .render_checks import probe_as_json

#: The number of the JSON's shape: it goes up with every change that an older reader would misread.
SCHEMA = 2

MARKS = {Verdict.OK: "✓", Verdict.BROKEN: "✗", Verdict.SUSPECT: "?", Verdict.UNKNOWN: "·"}
ARROWS = {Direction.FORWARD: "→", Direction.RETURN: "←"}


def as_json(trace: Trace) -> dict[str, Any]:
    """The trace as data, each finding with its words beside it."""
    return {
        "schema": SCHEMA,
        "from": to_json(trace.source),
        "to": to_json(trace.target),
        "ok": trace.ok,
        "verdict": verdict_as_json(trace.fault) if trace.fault else None,
        "paths": [_path_as_json(path) for path in trace.paths],
        "probes": [probe_as_json(probe) for probe in trace.probes],
        "notes": [words.as_json(note) for note in trace.notes],
        "swapped": trace.swapped,
    }


def verdict_as_json(fault: Fault) -> dict[str, Any]:
    """The fault's finding, where it is, and what else is suspected there."""
    path, hop = fault
    assert hop.finding is not None
    return {
        **words.as_json(hop.finding),
        "step": hop.step.value,
        "hop": hop.name,
        "direction": path.direction.value,
        "suspected": [words.as_json(each) for each in hop.suspected],
        "evidence": words.as_json(hop.evidence) if hop.evidence else None,
    }


def _path_as_json(path: Path) -> dict[str, Any]:
    ends = {"source": to_json(path.source), "target": to_json(path.target)}
    return {"direction": path.direction.value, **ends, "hops": [_hop_as_json(hop) for hop in path.hops]}


def _hop_as_json(hop: Hop) -> dict[str, Any]:
    return {
        "node": hop.node,
        "peer": hop.peer,
        "step": hop.step.value,
        "name": hop.name,
        "actual": hop.actual,
        "desired": hop.desired,
        "verdict": hop.verdict.value,
        "finding": words.as_json(hop.finding) if hop.finding else None,
        "suspected": [words.as_json(each) for each in hop.suspected],
        "consequence": hop.consequence,
        "capture_points": to_json(hop.capture_points),
        "seen": hop.seen,
    }


def render(trace: Trace) -> str:
    """The paths, a line a hop; what is wrong with it below the hop; at the end the verdict."""
    lines = []
    for path in trace.paths:
        lines += [f"{ARROWS[path.direction]} {_end(path.source)} to {_end(path.target)}", *_hops(path), ""]
    lines += [_probe(probe) for probe in _told(trace.probes)]
    if trace.swapped:
        lines.append(f"  note: traced from the other end: {trace.source.node} has {trace.source}, not {trace.target}")
    lines += [f"  note: {note.node}: {words.text(note)}" for note in trace.notes]
    return "\n".join([*lines, *verdict(trace)]) + "\n"


def _hops(path: Path) -> list[str]:
    lines = []
    width = max(len(_place(hop)) for hop in path.hops)
    former = ""
    for hop in path.hops:
        place = _place(hop)
        shown, former = "" if place == former else place, place
        seen = "" if hop.seen is None else f"  [{hop.seen} seen]" if hop.seen else "  [never seen]"
        lines.append(f"  {MARKS[hop.verdict]} {shown:<{width}}  {hop.name}: {hop.actual or '–'}{seen}")
        below = [f"expected: {hop.desired}"] if hop.finding and hop.desired else []
        below += [words.text(hop.finding)] if hop.finding else []
        below += [f"suspected: {words.text(each)}" for each in hop.suspected]
        lines += [f"    {'':<{width}}  {line}" for line in below]
    return lines


def _place(hop: Hop) -> str:
    return f"{hop.node} → {hop.peer}" if hop.step == Step.WIRE else hop.node


def _told(probes: list[ProbeResult]) -> list[ProbeResult]:
    """The probes without those that only measure the underlay's MTU, where it carries the largest of them."""
    under = [probe for probe in probes if probe.scope == "underlay"]
    if not all(probe.ok for probe in under):
        return probes
    return [probe for probe in probes if probe.scope != "underlay"] + under[:1]


def _probe(probe: ProbeResult) -> str:
    size = f" {probe.size} bytes" if probe.size else f" port {probe.port}" if probe.port else ""
    outcome = words.text(probe.failure) if probe.failure else f"{probe.ms} ms"
    mark = "✓" if probe.ok else "✗"
    if probe.denied:
        mark, outcome = "⊘", "policies deny it"
    return f"  {mark} {probe.scope}: {probe.kind}{size} to {probe.target}: {outcome}"


def verdict(trace: Trace) -> list[str]:
    """The verdict in a few lines."""
    if trace.finding is None:
        return ["Path OK."]
    where, findings = "Broken:", [("cause:   ", trace.finding)]
    if trace.fault:
        path, hop = trace.fault
        where = f"Broken at {hop.node}, {hop.name} ({path.direction} path):"
        findings += [("or:      ", each) for each in hop.suspected]
        findings += [("evidence:", hop.evidence)] if hop.evidence else []
    told = [f"  {word} {words.text(each)}" for word, each in findings]
    return [where, *told, f"  fix:      {words.fix(trace.finding)}"]


def _end(end: Endpoint) -> str:
    return f"{end} on {end.node}" if end.node and end.kind != "node" else str(end)
