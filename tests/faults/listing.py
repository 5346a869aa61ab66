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

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WAYS = ROOT / "tests/integration/verify"
PAGE = ROOT / "docs/faults.md"
HEAD = """# Faults that are injected

Each of these is made by tools that are not ours; `podnetctl trace`, `playbooks/trace.yml` or `playbooks/verify.yml`
must name the node, the hop (`step` in [the packet's way](the-packets-way.md#the-hops)), the cause and a cure, and after
the cure must be content again. This page is written by `tests/faults/listing.py`.

A pod a1 on node1 sends to a2 on node2, unless the ends are told. *Packets*: the states alone do not tell, packets are
sent. A1, N2 and the like are addresses and names: [ways.yml](../tests/faults/ways.yml) tells them.
"""
TRACES = (
    ("ways.yml", "On the packet's way"),
    ("ways_others.yml", "On the packet's way, besides"),
)
TESTS = (
    (WAYS / "test_checks.py", "Beside the packet's way: checks of each node"),
    (WAYS / "test_services.py", "On the way to a Service, with a server that answers"),
    (WAYS / "test_ways.py", "With other back ends and IP versions"),
    (ROOT / "tests/unit/verify/test_verdict.py", "Between nodes and against the API", "spoil_"),
    (ROOT / "tests/cluster/test_2_faults.py", "In the lab, by `playbooks/verify.yml`"),
)


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for file, title in TRACES:
        faults = yaml.safe_load((HERE / file).read_text(encoding="utf-8"))
        parts.append(f"## {title}\n\n[{file}](../tests/faults/{file}): {len(faults)}\n")
        parts.append(
            "| Fault | Node | Hop | What is said, in part | |\n| --- | --- | --- | --- | --- |\n"
            + "".join(map(row, faults))
        )
    for file, title, *prefix in TESTS:
        where = file.relative_to(ROOT)
        parts.append(f"## {title}\n\n[{file.name}](../{where})\n")
        parts.append("".join(f"- {name}\n" for name in tests(file, *prefix)))
    return "\n".join(parts)


def row(fault: dict) -> str:
    verdict = fault["verdict"]
    more = [" to ".join(fault["ends"])] if "ends" in fault else []
    more += ["packets"] if fault.get("packets") else []
    cause = verdict["cause"].replace("|", "\\|")
    return f"| {fault['name']} | {verdict['node']} | `{verdict['step']}` | {cause} | {', '.join(more)} |\n"


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
