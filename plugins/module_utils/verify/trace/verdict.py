# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on a way: the state of its hops and the evidence of packets, put together.

State comes first: a hop that is not what it must be is named, whatever the packets did. Then packets: where they were
seen for the last time, and where they should have come next.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..model.endpoint import End
from ..model.hop import BROKEN, STEPS, SUSPECT, Hop
from ..model.path import Leg
from . import localize, round_trip

SCHEMA = 1


def judge(source: End, target: End, states: list[dict[str, Any]]) -> dict[str, Any]:
    """The traced way, JSON-ready (docs/tracing.md): ``ok``, ``verdict``, ``legs``, ``probes``, ``notes``."""
    legs = round_trip.walk(source, target, states)
    gathered = [one["evidence"] for one in states if "evidence" in one]
    probes = [result for one in gathered for result in one["probes"]]
    found = [one for one in gathered if not missed(one, gathered, probes)]
    by_node = {one["node"]: one for one in found}
    localize.count(legs, by_node)
    fault = round_trip.first_fault(legs)
    if fault is None:
        fault = localize.fault(legs, by_node, probes)
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
