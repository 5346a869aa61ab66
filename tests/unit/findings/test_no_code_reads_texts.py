# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data decides, words are printed last: only what prints may render a finding, and nobody looks into a text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
#: The outermost: what they make of a finding goes to people and to JSON.
PRINTERS = (
    "action", "modules", "plugin_utils", "module_utils/cli", "module_utils/findings", "module_utils/agent/health.py",
    "module_utils/agent/log.py", "module_utils/converge/module.py",
)  # fmt: skip
#: What render makes, and the keys that JSON has it under.
FUNCTIONS, KEYS = {"text", "fix"}, {"text", "fix"}
#: What a hop and a step of a plan show to people.
SHOWN = {"actual", "desired", "text"}
#: What takes a text apart or compares it.
METHODS = {
    "split", "rsplit", "partition", "rpartition", "splitlines", "startswith", "endswith", "find", "rfind", "index",
    "rindex", "count", "removeprefix", "removesuffix", "replace", "__contains__",
}  # fmt: skip
SEARCHES = {"match", "search", "fullmatch", "findall", "finditer", "split", "sub"}


def files() -> list[Path]:
    return sorted(PLUGINS.rglob("*.py"))


#: Among the names: the module is of verify, where SHOWN are words.
OF_VERIFY = "(verify)"


def renders(tree: ast.AST) -> set[str]:
    """The names that findings.render, or a function of it, has in a module; empty where it is not imported."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.endswith("findings"):
                found |= {alias.asname or alias.name for alias in node.names if alias.name == "render"}
            if module.endswith("findings.render"):
                found |= {alias.asname or alias.name for alias in node.names}
    return found


def is_text(node: ast.AST, names: set[str], kept: set[str]) -> bool:
    """Whether an expression is a finding's text: a call of render, its key in JSON, or a name that keeps either."""
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            return called.value.id in names and called.attr in FUNCTIONS
        return isinstance(called, ast.Name) and called.id in names & FUNCTIONS
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return node.slice.value in KEYS
    if isinstance(node, ast.Attribute) and node.attr in SHOWN:
        return OF_VERIFY in names
    return isinstance(node, ast.Name) and node.id in kept


def readings(tree: ast.AST, place: str = "") -> Iterator[int]:
    """The lines where a text is compared, searched, or taken apart."""
    names = renders(tree) | ({OF_VERIFY} if place.startswith("module_utils/verify") else set())
    kept = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and is_text(node.value, names, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        read: list[ast.expr] = []
        if isinstance(node, ast.Compare) and not all(isinstance(each, (ast.Is, ast.IsNot)) for each in node.ops):
            read = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_re = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
            read = [*node.args] if of_re and node.func.attr in SEARCHES else []
            read += [node.func.value] if node.func.attr in METHODS else []
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Store):
            read = [node.value]
        yield from (node.lineno for each in read if is_text(each, names, kept))


def test_only_what_prints_renders_findings():
    wrong = [
        str(path.relative_to(PLUGINS))
        for path in files()
        if renders(ast.parse(path.read_text(encoding="utf-8")))
        and not str(path.relative_to(PLUGINS)).startswith(PRINTERS)
    ]
    assert not wrong, f"these render findings and are not the outermost: {wrong}"


def test_no_code_looks_into_a_text():
    wrong = [
        f"{path.relative_to(PLUGINS)}:{line}"
        for path in files()
        for line in readings(ast.parse(path.read_text(encoding="utf-8")), str(path.relative_to(PLUGINS)))
    ]
    assert not wrong, f"decide by code and parameters, not by the text: {wrong}"


@pytest.mark.parametrize(
    "line",
    [
        'words.text(found) == "it"',
        '"gateway" in words.text(found)',
        'words.text(found).startswith("no route")',
        'told = words.fix(found)\nif "apply" in told: pass',
        'entry["text"].rpartition(", ")',
        're.search("via", words.text(found))',
        "words.text(found)[3:]",
    ],
)
def test_the_rule_sees_what_it_must(line):
    assert list(readings(ast.parse(f"from ..findings import render as words\n{line}\n")))


@pytest.mark.parametrize(
    "line", ["print(words.text(found))", 'told = {"text": words.text(found)}', "f'{words.fix(found)}'"]
)
def test_the_rule_lets_print(line):
    assert not list(readings(ast.parse(f"from ..findings import render as words\n{line}\n")))


@pytest.mark.parametrize("line", ['"via" in hop.actual', 'step.text.endswith("flannel.1")', 'hop.desired == "up"'])
def test_in_verify_a_hop_s_words_are_texts(line):
    assert list(readings(ast.parse(line), "module_utils/verify/trace/x.py"))
    assert not list(readings(ast.parse(line), "module_utils/agent/x.py"))
