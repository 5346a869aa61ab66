# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A verification report as one HTML page that loads nothing: the verdict, the failures, the topology, the matrix.

What is shown and how it is laid out is in page.html.j2; this file works out the figures and the places.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

#: Largest number of nodes in the picture; the table of nodes and the matrix have all.
LARGEST_TOPOLOGY = 12
#: Up to so many pods the matrix has a row for each, beyond for each node; beyond so many nodes for the worst of them.
LARGEST_BY_POD, LARGEST_BY_NODE = 24, 48
#: Beyond so many rows a cell has only its colour: a page's width holds no more figures.
LARGEST_WITH_FIGURES = 16
#: Beyond so many nodes their table is folded.
LARGEST_OPEN = 60
#: A node's box in the topology, in pixels; and how many of its pods are drawn in a row.
BOX_WIDTH, BOX_HEIGHT, PODS_IN_A_ROW = 210, 104, 14
#: Pixels between the outermost boxes and the picture's edge.
MARGIN = 8
#: Round-trip times, in ms, of the matrix's palest and its fullest colour; between them it is logarithmic.
QUICK, SLOW = 0.05, 50.0


class Pair(NamedTuple):
    """What is known of the path from one row to one column: probes made and arrived, the quickest echo's milliseconds
    (None without one), why the others did not arrive, and how many of these policies deny."""

    total: int
    arrived: int
    ms: float | None
    reasons: list[str]
    denied: int = 0

    @property
    def depth(self) -> float:
        """How full the cell's colour is, from 0 to 1."""
        if self.ms is None:
            return 0.0
        scaled = math.log(max(self.ms, QUICK) / QUICK) / math.log(SLOW / QUICK)
        return round(min(scaled, 1.0), 2)


def render(report: dict[str, Any], title: str, made: str = "") -> str:
    """The page for a ``report`` (as module_utils/cli/render_report.py makes it); ``made`` says when, in words."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    report = {**report, "nodes": sorted(report["nodes"], key=lambda node: natural(node["name"]))}
    drawn = topology(report) if 0 < len(report["nodes"]) <= LARGEST_TOPOLOGY else None
    return environment.get_template("page.html.j2").render(
        title=title,
        made=made,
        report=report,
        failures=_failures(report),
        folded=len(report["nodes"]) > LARGEST_OPEN,
        traces=report.get("traces", []),
        topology=drawn,
        matrix=matrix(report),
        times=times(report),
    )


def topology(report: dict[str, Any]) -> dict[str, Any]:
    """Where the picture's parts are: ``nodes`` on an ellipse with their pods, ``tunnels`` between them, its size."""
    nodes, count = report["nodes"], len(report["nodes"])
    across, down = (0 if count == 1 else 130 + 45 * count), (0 if count <= 2 else 60 + 42 * count)
    # two nodes lie side by side; more begin at the top
    angles = [2 * math.pi * number / count - (math.pi if count == 2 else math.pi / 2) for number in range(count)]
    places = [(across * math.cos(angle), down * math.sin(angle)) for angle in angles]
    left, top = (min(place[axis] for place in places) for axis in (0, 1))
    right, bottom = (max(place[axis] for place in places) for axis in (0, 1))
    width, height = right - left + BOX_WIDTH + 2 * MARGIN, bottom - top + BOX_HEIGHT + 2 * MARGIN
    middles = {
        node["name"]: (x - left + BOX_WIDTH / 2 + MARGIN, y - top + BOX_HEIGHT / 2 + MARGIN)
        for node, (x, y) in zip(nodes, places)
    }
    boxes = []
    for node in nodes:
        x, y = middles[node["name"]]
        own = [pod for pod in report["pods"] if pod["node"] == node["name"] and not pod["host_network"]]
        shown = own[: 2 * PODS_IN_A_ROW]
        dots = [
            {"x": 16 + index % PODS_IN_A_ROW * 13.5, "y": 78 + index // PODS_IN_A_ROW * 14, "pod": pod}
            for index, pod in enumerate(shown)
        ]
        boxes.append({"x": x - BOX_WIDTH / 2, "y": y - BOX_HEIGHT / 2, "node": node, "dots": dots, "pods": len(own)})
    return {
        "width": width,
        "height": height,
        "boxes": boxes,
        "box": (BOX_WIDTH, BOX_HEIGHT),
        "tunnels": list(_tunnels(report, middles)),
    }


def _tunnels(report: dict[str, Any], middles: dict[str, tuple[float, float]]) -> Iterable[dict[str, Any]]:
    """A line for each two nodes: its ends, whether all that was sent between their pods arrived, and what to say."""
    between = _pairs(report, {pod["name"]: pod["node"] for pod in _workload(report)})
    packets: dict[frozenset[str], int] = {}
    names = {node["address"]: node["name"] for node in report["nodes"]}
    for flow in report["flows"]:
        ends = frozenset((names.get(flow["source"], ""), names.get(flow["destination"], "")))
        if flow["direction"] == "out":
            packets[ends] = packets.get(ends, 0) + flow["packets"]
    nodes = [node["name"] for node in report["nodes"]]
    for index, one in enumerate(nodes):
        for other in nodes[index + 1 :]:
            paths = [between[pair] for pair in ((one, other), (other, one)) if pair in between]
            echoes = [path.ms for path in paths if path.ms is not None]
            total, arrived = sum(path.total for path in paths), sum(path.arrived for path in paths)
            denied = sum(path.denied for path in paths)
            (x1, y1), (x2, y2) = middles[one], middles[other]
            yield {
                "ends": (one, other),
                "line": (x1, y1, x2, y2),
                "middle": ((x1 + x2) / 2, (y1 + y2) / 2),
                "state": "none" if not total else "good" if arrived + denied == total else "bad",
                "label": f"{min(echoes):.2f} ms" if echoes and arrived + denied == total else f"{arrived}/{total}",
                "said": f"{one} ↔ {other}: {arrived} of {total} probes between their pods arrived, "
                f"{packets.get(frozenset((one, other)), 0)} packets in the tunnel",
            }


def matrix(report: dict[str, Any]) -> dict[str, Any]:
    """The heat map: ``kind`` (pod or node), ``rows`` of names with their nodes and a Pair or None for each column, and
    ``hidden``: how many rows there would be besides."""
    pods = _workload(report)
    by_pod = len(pods) <= LARGEST_BY_POD
    name_of = {pod["name"]: pod["name"] if by_pod else pod["node"] for pod in pods}
    pairs = _pairs(report, name_of)
    where = {name_of[pod["name"]]: pod["node"] for pod in pods}
    names = sorted(where, key=lambda name: (natural(where[name]), natural(name)))
    lost = dict.fromkeys(names, 0)
    for (source, target), pair in pairs.items():
        lost[source] += pair.total - pair.arrived - pair.denied
        lost[target] += pair.total - pair.arrived - pair.denied
    worst = set(sorted(names, key=lambda name: -lost[name])[: LARGEST_BY_POD if by_pod else LARGEST_BY_NODE])
    shown = [name for name in names if name in worst]
    return {
        "kind": "pod" if by_pod else "node",
        "rows": [
            {"name": name, "node": where[name], "cells": [pairs.get((name, other)) for other in shown]}
            for name in shown
        ],
        "hidden": len(names) - len(shown),
        "dense": len(shown) > LARGEST_WITH_FIGURES,
        "coverage": report.get("coverage"),
    }


def natural(name: str) -> list[tuple[str, int]]:
    """A key that sorts node2 before node10."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name)]


def times(report: dict[str, Any]) -> list[dict[str, Any]]:
    """For each scope and kind of probe: how many arrived, and their times in ms: least, median, most."""
    rows = []
    for scope, kind in sorted({(probe["scope"], probe["kind"]) for probe in report["probes"]}):
        made = [probe for probe in report["probes"] if (probe["scope"], probe["kind"]) == (scope, kind)]
        took = sorted(probe["ms"] for probe in made if probe["ok"] and probe["ms"] is not None)
        sizes = sorted({probe["size"] for probe in made if probe.get("size")})
        rows.append(
            {
                "scope": scope,
                "kind": kind,
                "total": len(made),
                "arrived": sum(probe["ok"] for probe in made),
                "denied": sum(bool(probe.get("denied")) for probe in made),
                "took": (took[0], took[len(took) // 2], took[-1]) if took else None,
                "sizes": sizes,
            }
        )
    return rows


def _failures(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Each failure with its text and its ``fix`` where one is known; of probes that are lost between the same two nodes
    only the first, with how many ``more`` there are."""
    shown: list[dict[str, Any]] = []
    between: dict[tuple[str, ...], dict[str, Any]] = {}
    for entry in report["failures"]:
        why = entry["fault"] or entry["finding"]
        failure = {"text": entry["text"], "fix": why["fix"] if why else "", "more": 0, "ends": entry["ends"]}
        if entry["kind"] == "probe":
            first = between.setdefault(tuple(entry["ends"]), failure)
            if first is not failure:
                first["more"] += 1
                continue
        shown.append(failure)
    return shown


def _workload(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [pod for pod in report["pods"] if pod["name"].startswith(f"{report['namespace']}/")]


def _pairs(report: dict[str, Any], name_of: dict[str, str]) -> dict[tuple[str, str], Pair]:
    """The probes between pods, taken together by ``name_of`` their ends."""
    found: dict[tuple[str, str], list[dict]] = {}
    for probe in report["probes"]:
        if probe["source"] in name_of and probe["target"] in name_of:
            found.setdefault((name_of[probe["source"]], name_of[probe["target"]]), []).append(probe)
    pairs = {}
    for ends, probes in found.items():
        echoes = [probe["ms"] for probe in probes if probe["ok"] and probe["kind"] == "icmp"]
        reasons = [f"{probe['kind']}: {_reason(probe)}" for probe in probes if not probe["ok"]]
        denied = sum(bool(probe.get("denied")) for probe in probes)
        pairs[ends] = Pair(len(probes), len(probes) - len(reasons), min(echoes, default=None), reasons, denied)
    return pairs


def _reason(probe: dict[str, Any]) -> str:
    why = probe.get("denied") or probe["failure"]
    return why["text"] if why else "lost"
