# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A verification report as tables, made with rich."""

from __future__ import annotations

import io
import re
from typing import Any

from rich import box
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

#: rich's picture without the fonts that it would load from the network: the reader's own monospaced one will do.
SVG = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
#: Up to so many pods the matrix shows each; beyond, pods are taken together by their nodes.
LARGEST_MATRIX = 16
#: Beyond so many nodes, those that lose most are shown, and of the list of nodes those that are not Ready.
LARGEST_BY_NODE = 12
#: So many failures are shown one by one on a terminal; the file has all.
SHOWN = 20


def render(report: dict[str, Any], width: int = 100, colour: bool = False) -> str:
    """The report as text of ``width`` columns, with terminal escapes if ``colour``."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False, legacy_windows=False
    )
    console.print(tables(report))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def export_svg(report: dict[str, Any], title: str, width: int = 110) -> str:
    """The report as an SVG picture of a terminal."""
    console = Console(file=io.StringIO(), width=width, record=True, force_terminal=True, highlight=False)
    console.print(tables(report))
    return console.export_svg(title=title, code_format=SVG)


def tables(report: dict[str, Any]) -> Group:
    """Nodes, reachability, the paths that were probed, and the verdict."""
    parts: list[RenderableType] = [_nodes(report), _matrix(report), _paths(report)]
    if report.get("policies"):
        parts.append(_policies(report))
    failures = report["failures"]
    for failure in failures[:SHOWN]:
        parts.append(Text(f"✗ {failure['text']}", style="red"))
    if len(failures) > SHOWN:
        parts.append(Text(f"… and {len(failures) - SHOWN} more", style="red"))
    parts.append(_verdict(report))
    return Group(*parts)


def _verdict(report: dict[str, Any]) -> Text:
    if report["failures"]:
        return Text(f"{len(report['failures'])} failures", style="bold red")
    probes, checks = len(report["probes"]), len(report["checks"])
    denied = sum(lost_to_policies(probe) for probe in report["probes"])
    arrived = f"All {probes} probes arrived"
    if denied:
        arrived = f"{probes - denied} of {probes} probes arrived, policies deny the other {denied}"
    text = f"{arrived}, all {checks} checks hold"
    packets = sum(flow["packets"] for flow in report["flows"] if flow["direction"] == "out")
    if packets:
        port = {vtep["port"] for node in report["nodes"] for vtep in node["vteps"]}
        text += f"; {packets} packets between nodes travelled as VXLAN, UDP {', '.join(map(str, sorted(port)))}"
    coverage = report.get("coverage") or {"pod_pairs": 0, "all_pod_pairs": 0}
    if coverage["pod_pairs"] < coverage["all_pod_pairs"]:
        text += f"; a sample: {coverage['pod_pairs']} of {coverage['all_pod_pairs']} pairs of pods"
    return Text(f"{text}.", style="bold green")


def lost_to_policies(probe: dict[str, Any]) -> bool:
    """Whether it did not arrive because policies deny it."""
    return bool(probe.get("denied"))


def _policies(report: dict[str, Any]) -> Table:
    """Each node's policies: whether they are in force, and what they have dropped since its table was made."""
    table = _table("Network policies")
    for name in ("Node", "In force", "Dropped packets"):
        table.add_column(name, overflow="fold")
    for node, state in sorted(report["policies"].items()):
        good = bool(state["origin"] and state["origin"]["in_force"] and not state["drift"])
        drops = [f"{', '.join(each['policies']) or each['chain']}: {each['packets']}" for each in state["drops"]]
        table.add_row(node, Text("yes", style="green") if good else Text("no", style="red"), "\n".join(drops) or "none")
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)


def _nodes(report: dict[str, Any]) -> Table:
    shown = report["nodes"]
    if len(shown) > LARGEST_BY_NODE:
        shown = [node for node in shown if not node["ready"]]
    hidden = len(report["nodes"]) - len(shown)
    table = _table(f"Nodes (besides {hidden} that are Ready)" if hidden else "Nodes")
    for name in ("Node", "Ready", "Release", "System", "Address", "podCIDR", "VTEP", "Pods"):
        table.add_column(name, justify="right" if name == "Pods" else "left", overflow="fold")
    for node in shown:
        vteps = [vtep["mac"] for vtep in node["vteps"]]
        table.add_row(
            node["name"],
            Text("yes", style="green") if node["ready"] else Text("no", style="red"),
            node["release"],
            node["os"].replace("GNU/Linux ", ""),
            node["address"],
            "\n".join(node["pod_cidrs"]) or "–",
            "\n".join(vteps) or "–",
            str(sum(pod["node"] == node["name"] for pod in report["pods"])),
        )
    return table


def _matrix(report: dict[str, Any]) -> Table:
    """Who reaches whom: the worst of a pair's probes, and the time of its echo."""
    pods = {pod["name"]: pod for pod in report["pods"] if pod["name"].startswith(f"{report['namespace']}/")}
    by_pod = len(pods) <= LARGEST_MATRIX
    name_of = {name: name if by_pod else pod["node"] for name, pod in pods.items()}
    pairs: dict[tuple[str, str], list[dict]] = {}
    for result in report["probes"]:
        if result["source"] in name_of and result["target"] in name_of:
            pairs.setdefault((name_of[result["source"]], name_of[result["target"]]), []).append(result)
    names = sorted(set(name_of.values()), key=lambda name: (pods[name]["node"], name) if by_pod else (name,))
    title = "Reachability, from row to column" + (" (round trip, ms)" if by_pod else " (probes that arrived)")
    if not by_pod and len(names) > LARGEST_BY_NODE:
        title += f": the {LARGEST_BY_NODE} of {len(names)} nodes that lose most"
        names = sorted(_losing(pairs, names)[:LARGEST_BY_NODE])
    table = _table(title)
    table.add_column("")
    table.add_column("Pod" if by_pod else "Node")
    if by_pod:
        table.add_column("Node")
        table.add_column("Address")
    for number in range(1, len(names) + 1):
        table.add_column(str(number), justify="right")
    for number, name in enumerate(names, 1):
        about = [name.partition("/")[2], pods[name]["node"], pods[name]["address"]] if by_pod else [name]
        cells = [_cell(pairs.get((name, other), []), by_pod) for other in names]
        table.add_row(str(number), *about, *cells)
    return table


def _losing(pairs: dict[tuple[str, str], list[dict]], names: list[str]) -> list[str]:
    """The names, those first between which most is lost."""
    lost = dict.fromkeys(names, 0)
    for ends, results in pairs.items():
        for end in ends:
            lost[end] += sum(not result["ok"] and not lost_to_policies(result) for result in results)
    return sorted(names, key=lambda name: -lost[name])


def _cell(results: list[dict], by_pod: bool) -> Text:
    if not results:
        return Text("·", style="dim")
    arrived = [result for result in results if result["ok"]]
    denied = [result for result in results if lost_to_policies(result)]
    whole = len(arrived) + len(denied) == len(results)
    style = "red" if not whole else "yellow" if denied else "green"
    if not by_pod:
        return Text(f"{len(arrived)}/{len(results)}", style=style)
    if len(arrived) < len(results):
        mark = "⊘ " if whole else "✗ "
        lost = denied if whole else [result for result in results if not result["ok"] and result not in denied]
        return Text(mark + "+".join(sorted(result["kind"] for result in lost)), style=style)
    echoes = [result["ms"] for result in arrived if result["kind"] == "icmp"]
    return Text(f"{min(echoes):.1f}" if echoes else "✓", style=style)


def _paths(report: dict[str, Any]) -> Table:
    """How many probes of each kind of path arrived."""
    table = _table("Paths")
    for name, justify in (("", "left"), ("Probes", "right"), ("Arrived", "right"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for scope, count in report["summary"].items():
        denied = count.get("denied", 0)
        good = count["ok"] + denied == count["total"]
        mark = Text("✓", style="green") if good else Text("✗", style="red")
        if denied:
            mark.append(f" {denied} denied", style="yellow")
        table.add_row(scope, str(count["total"]), str(count["ok"]), mark)
    return table
