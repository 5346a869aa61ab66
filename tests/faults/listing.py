# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/faults.md, made from the tests themselves: which faults are injected, and what must be said of each.

python tests/faults/listing.py [--write]
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import faults

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WAYS = ROOT / "tests/integration/verify"
PAGE = ROOT / "docs/faults.md"
HEAD = """# Faults that are injected

Each of these is made by tools that are not ours; `podnetctl trace`, `playbooks/trace.yml` or `playbooks/verify.yml`
must name the node, the hop (`step` in [the packet's way](tracing.md#the-hops)), the cause and a cure, and after
the cure must be content again. This page is written by `tests/faults/listing.py`.

A pod a1 on node1 sends to a2 on node2, unless the ends are told. *Packets*: the states alone do not tell, packets are
sent. A1, N2 and the like are addresses and names: [ways.yml](../tests/faults/ways.yml) tells them.

*Lab*: injected in the lab too, in a cluster with the kubelet's pods, where `playbooks/verify.yml` itself must name
node, hop and cause, accuse nobody else, and find nothing after the cure:
[test_2_faults.py](../tests/cluster/test_2_faults.py), and [rounds.yml](../tests/faults/rounds.yml) for which at a time.
`make faults` injects all that these tables have but those of IPv6 there, one at a time:
[every_fault.py](../tests/cluster/every_fault.py).
"""
TABLES = (
    (faults.WAYS, "On the packet's way"),
    (faults.OTHERS, "On the packet's way, besides"),
    (faults.FOREIGN, "On the packet's way, by what is neither ours nor Kubernetes'"),
    (faults.IPV6, "On the way of IPv6 packets, in a cluster of both versions"),
    (faults.LAB, "Of a whole node, in the lab alone"),
)
TESTS = (
    (WAYS / "checks/test_node.py", "Beside the packet's way: checks of each node"),
    (WAYS / "trace/test_services.py", "On the way to a Service, with a server that answers"),
    (WAYS / "trace/test_ways.py", "With other back ends and IP versions"),
    (ROOT / "tests/unit/verify/checks/test_report.py", "Between nodes and against the API", "spoil_"),
)


def page() -> str:
    """The page's text."""
    in_lab = {name for together in faults.load(faults.ROUNDS) for name in together}
    parts = [HEAD]
    for file, title in TABLES:
        entries = faults.load(file)
        parts.append(f"## {title}\n\n[{file}](../tests/faults/{file}): {len(entries)}\n")
        parts.append(
            "| Fault | Node | Hop | What is said, in part | Lab | |\n| --- | --- | --- | --- | --- | --- |\n"
            + "".join(row(entry, entry["name"] in in_lab) for entry in entries)
        )
    for file, title, *prefix in TESTS:
        where = file.relative_to(ROOT)
        parts.append(f"## {title}\n\n[{file.name}](../{where})\n")
        parts.append("".join(f"- {name}\n" for name in tests(file, *prefix)))
    return "\n".join(parts)


def row(fault: dict, in_lab: bool) -> str:
    verdict = fault["verdict"]
    more = [" to ".join(fault["ends"])] if "ends" in fault else []
    more += ["packets"] if fault.get("packets") else []
    cause = verdict["cause"].replace("|", "\\|")
    hop = f"`{verdict['step']}`" if verdict["step"] else ""
    told = (fault["name"], verdict["node"], hop, cause, "✓" if in_lab else "", ", ".join(more))
    return f"| {' | '.join(told)} |\n"


def tests(file: Path, prefix: str = "test_") -> list[str]:
    """The names of a file's tests, in words."""
    functions = [
        node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
    ]
    chosen = [node for node in functions if node.name.startswith(prefix)]
    if prefix != "test_":  # what such a function returns is what must be said
        return [str(node.body[-1].value.value) for node in chosen]
    return [node.name.removeprefix(prefix).replace("_s_", "'s ").replace("_", " ") for node in chosen]


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())
