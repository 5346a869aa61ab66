# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A traced way as text."""

from __future__ import annotations

from typing import Any

MARKS = {"ok": "✓", "broken": "✗", "suspect": "?", "unknown": "·"}


def render(trace: dict[str, Any]) -> str:
    """The way, a line a hop; what is wrong with it below the hop; at the end the verdict."""
    lines = []
    for leg in trace["legs"]:
        arrow = "→" if leg["way"] == "there" else "←"
        lines.append(f"{arrow} {_end(leg['source'])} to {_end(leg['target'])}")
        width = max([len(hop["node"]) for hop in leg["hops"]] or [0])
        node = ""
        for hop in leg["hops"]:
            shown = "" if hop["node"] == node else hop["node"]
            node = hop["node"]
            seen = "" if hop["seen"] is None else f"  [{hop['seen']} seen]" if hop["seen"] else "  [never seen]"
            lines.append(f"  {MARKS[hop['verdict']]} {shown:<{width}}  {hop['name']}: {hop['found'] or '–'}{seen}")
            if hop["verdict"] == "broken":
                if hop["wanted"]:
                    lines.append(f"    {'':<{width}}  must be: {hop['wanted']}")
                lines.append(f"    {'':<{width}}  {hop['cause']}")
        lines.append("")
    for probe in _told(trace["probes"]):
        size = f" {probe['size']} bytes" if probe.get("size") else f" port {probe['port']}" if probe["port"] else ""
        outcome = f"{probe['ms']} ms" if probe["ok"] else probe["reason"]
        mark = "✓" if probe["ok"] else "✗"
        lines.append(f"  {mark} {probe['scope']}: {probe['kind']}{size} to {probe['target']}: {outcome}")
    lines += [f"  note: {note}" for note in trace["notes"]]
    return "\n".join(line for line in [*lines, *verdict(trace)] if line is not None) + "\n"


def _told(probes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The probes without those that only measure the underlay's MTU, where it carries the largest of them."""
    under = [probe for probe in probes if probe["scope"] == "underlay"]
    if not all(probe["ok"] for probe in under):
        return probes
    return [probe for probe in probes if probe not in under] + under[:1]


def verdict(trace: dict[str, Any]) -> list[str]:
    """The verdict in two or three lines."""
    found = trace["verdict"]
    if not found:
        return ["The way is whole." if trace["ok"] else "It does not arrive, and nothing that was looked at is wrong."]
    return [
        f"Broken on {found['node']}, at {found['name']} ({found['what']}), on the way {found['way']}:",
        f"  cause: {found['cause']}",
        f"  cure:  {found['cure']}",
    ]


def _end(end: dict[str, Any]) -> str:
    name = end["address"] if end["name"] == end["address"] else f"{end['name']} ({end['address']})"
    return f"{name} on {end['node']}" if end["node"] and end["kind"] != "node" else name
