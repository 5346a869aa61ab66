# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/faults.md, made from the table of findings and from the tests: what each code means, and what provokes it.

python tests/faults/listing.py [--write]
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "build/collections"))

from ansible_collections.podnet.cluster.plugins.module_utils.findings import texts
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.texts.entry import Entry

import faults

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/faults.md"
TABLES = (
    faults.PATHS, faults.OTHERS, faults.FOREIGN, faults.IPV6, faults.SERVICES, faults.SERVICES_LAB, faults.LAB,
    faults.POLICIES,
)  # fmt: skip
#: Tests of the table itself: they have every code, and provoke none.
OF_THE_TABLE = ROOT / "tests/unit/findings"
HEAD = """# Findings

<!-- Written by tests/faults/listing.py --write: edit plugins/module_utils/findings/texts/ instead. -->

What `podnetctl trace`, `podnetctl status`, `podnetd` and the playbooks `preflight`, `verify` and `trace` can find. A
finding has a code, the node, a subject (`{subject}`: the kernel's or Kubernetes' name of the object at fault) and
parameters. Its message and its fix name them in braces here. JSON carries all of it; a code keeps its meaning.

Each code is provoked by tests. Faults in italics are injected with foreign tools (`ip`, `nft`, …). After the fix, the
trace must report no finding: [tests/faults](../tests/faults) has their commands. Those with ✓ are injected in the lab
as well, where `playbooks/verify.yml` must name the fault and nothing else. `make faults` injects every IPv4 fault and
those of a node there, one by one, and judges each by what `podnetctl inspect` reports on the nodes.
"""


def page() -> str:
    """The page's text."""
    provoking = provocations()
    parts = [HEAD]
    for name in sections():
        module = getattr(texts, name)
        parts.append(f"## {module.__doc__.splitlines()[0].rstrip('.')}\n")
        parts += [section(code, entry, provoking[code]) for code, entry in module.ENTRIES.items()]
    return "\n".join(parts)


def sections() -> list[str]:
    """The modules of the table, in the order of the codes."""
    modules = {name: module for name, module in vars(texts).items() if isinstance(module, ModuleType)}
    order = list(Code)
    with_entries = [name for name, module in modules.items() if hasattr(module, "ENTRIES")]
    return sorted(with_entries, key=lambda name: order.index(next(iter(modules[name].ENTRIES))))


def section(code: Code, entry: Entry, by: list[str]) -> str:
    return f"### `{code}`\n\n`{entry.text}`\n\n{entry.cause}\n\n- Fix: `{entry.fix}`\n- Tests: {', '.join(by)}\n"


def provocations() -> dict[Code, list[str]]:
    """By code the faults and the tests that provoke it."""
    in_lab = {name for together in faults.load(faults.ROUNDS) for name in together}
    found: dict[Code, list[str]] = defaultdict(list)
    for file in TABLES:
        for fault in faults.load(file):
            mark = " ✓" if fault["name"] in in_lab else ""
            for code in codes_of(fault):
                found[code].append(f"*{fault['name']}*{mark}")
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if OF_THE_TABLE in path.parents:
            continue
        place = path.relative_to(ROOT)
        for code in named_in(ast.parse(path.read_text(encoding="utf-8"))):
            found[code].append(f"[{path.stem.removeprefix('test_')}](../{place})")
    return found


def codes_of(fault: dict) -> list[Code]:
    """What a fault's entry must be found as, and by."""
    wanted = [fault["verdict"], *fault.get("also", [])]
    wanted += [each["evidence"] for each in wanted if "evidence" in each]
    return [Code(each["code"]) for each in wanted]


def named_in(tree: ast.AST) -> list[Code]:
    """The codes that a test's text names, as Code.X or by their values. A finding that the test makes itself is not
    provoked, unless something is compared with it."""
    values = {code.value: code for code in Code}
    found = set()
    for node in walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Code":
            found.add(Code[node.attr])
        elif isinstance(node, ast.Constant) and node.value in values:
            found.add(values[node.value])
    return sorted(found, key=list(Code).index)


def walk(node: ast.AST, compared: bool = False) -> Iterator[ast.AST]:
    """The nodes of a tree, without the findings that it makes."""
    compared = compared or isinstance(node, (ast.Assert, ast.Compare))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding" and not compared:
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from walk(child, compared)


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())
