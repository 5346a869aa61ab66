# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library's layers in order: each imports only from those above it, and no two modules import each other."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2] / "plugins/module_utils"
LAYERS = (
    "launcher install records netlink packets ipam findings converge nat cni overlay policy kube agent verify "
    "provision lab cli"
).split()


def imports() -> dict[str, set[str]]:
    """Each module of the library → the modules that it imports, wherever in its text."""
    modules = {".".join(path.relative_to(LIBRARY).with_suffix("").parts): path for path in LIBRARY.rglob("*.py")}
    found: dict[str, set[str]] = {name: set() for name in modules}
    for name, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = [*name.split(".")[: -node.level], *(node.module or "").split(".")]
                targets = [".".join(filter(None, [*base, alias.name])) for alias in node.names]
                targets += [".".join(filter(None, base))]
                found[name].update(target for target in targets if target in modules)
    return found


def test_each_layer_imports_only_from_above_it():
    layer = {name: LAYERS.index(name.partition(".")[0]) for name in imports()}
    assert not [(a, b) for a, targets in imports().items() for b in targets if layer[b] > layer[a]]


def test_no_modules_import_each_other():
    TopologicalSorter(imports()).prepare()  # raises CycleError, which names them
