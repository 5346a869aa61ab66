# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data decides, words are printed last: only what prints may render a finding, and nobody looks into a text."""

from __future__ import annotations

import ast
import re
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
#: Several words, or one between spaces.
WORDS = re.compile(r"[a-z]{2,} [a-z]{2,}| [a-z]{2,} |[a-z]{2,} $", re.IGNORECASE)
#: What a text is still a text after.
SAME = {"lower", "upper", "strip", "lstrip", "rstrip", "casefold", "format"}
#: Sentences that code looks for: others' words, where there is no code to go by.
FOREIGN = {
    ("module_utils/kube/client.py", "too large resource version"),  # etcd's; the API server has no reason for it
    ("module_utils/provision/cleanup.py", "not found"),  # ctr's, which ends with 1 for everything
}


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
    """Whether an expression is a finding's text, or has it in it: a call of render, its key in JSON, or a name that
    keeps either."""

    def within(*nodes: ast.AST) -> bool:
        return any(is_text(each, names, kept) for each in nodes)

    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Name):
            return called.id in names & FUNCTIONS or (called.id == "str" and within(*node.args))
        if isinstance(called, ast.Attribute):
            if isinstance(called.value, ast.Name) and called.value.id in names and called.attr in FUNCTIONS:
                return True
            if called.attr == "get" and node.args and isinstance(node.args[0], ast.Constant):
                return node.args[0].value in KEYS
            return called.attr in SAME and within(called.value)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return node.slice.value in KEYS
    if isinstance(node, ast.Attribute) and node.attr in SHOWN:
        return OF_VERIFY in names
    if isinstance(node, (ast.JoinedStr, ast.FormattedValue, ast.BinOp, ast.BoolOp, ast.IfExp, ast.NamedExpr)):
        return within(*ast.iter_child_nodes(node))
    return isinstance(node, ast.Name) and node.id in kept


def keeping(tree: ast.AST, names: set[str]) -> set[str]:
    """The names that keep a text, or what has one in it."""
    kept: set[str] = set()
    before = -1
    while len(kept) > before:
        before = len(kept)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if node.value is not None and is_text(node.value, names, kept):
                    kept |= {each.id for each in targets if isinstance(each, ast.Name)}
    return kept


def readings(tree: ast.AST, place: str = "") -> Iterator[int]:
    """The lines where a text is compared, searched, or taken apart."""
    names = renders(tree) | ({OF_VERIFY} if place.startswith("module_utils/verify") else set())
    kept = keeping(tree, names)
    for node in ast.walk(tree):
        read: list[ast.expr] = []
        if isinstance(node, ast.Compare) and not all(isinstance(each, (ast.Is, ast.IsNot)) for each in node.ops):
            read = [node.left, *node.comparators]
        elif isinstance(node, ast.Match):
            read = [node.subject]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            read = [*node.args] if node.func.attr in SEARCHES else []  # of re, or of a compiled pattern
            read += [node.func.value] if node.func.attr in METHODS else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            read = [*node.args] if node.func.id in SEARCHES else []
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Store):
            read = [node.value]
        yield from (node.lineno for each in read if is_text(each, names, kept))


def sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the words of each comparison with, and search for, several words."""
    for node in ast.walk(tree):
        read: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            read = [node.left, *node.comparators]
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in METHODS - {"replace"}
        ):
            read = [*node.args]
        for each in read:
            for part in ast.walk(each) if isinstance(each, (ast.Tuple, ast.List, ast.Set)) else [each]:
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and WORDS.search(part.value):
                    yield node.lineno, part.value


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


def test_no_code_looks_for_a_sentence():
    """Whoever's it is: what decides has a code, a type or a name."""
    found = {
        (str(path.relative_to(PLUGINS)), words)
        for path in files()
        for _line, words in sentences(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == FOREIGN


@pytest.mark.parametrize(
    "line",
    [
        'hop.cause.startswith("underlay to ")',
        'name.partition(" via ")',
        '"inet podnet" in text',
        'reason in ("not found", "gone")',
    ],
)
def test_the_rule_sees_sentences(line):
    assert list(sentences(ast.parse(line)))


@pytest.mark.parametrize("line", ['kind == "route"', 'text.partition(" ")', 'print("not found")', 'name in ("a", "b")'])
def test_names_are_no_sentences(line):
    assert not list(sentences(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        'words.text(found) == "it"',
        'str(words.text(found)).lower() == "it"',
        'f"{words.text(found)}; {more}".endswith("it")',
        'told: str = words.text(found)\nother = told + more\nother.find("it")',
        '(told := words.fix(found)) and told[0] == "x"',
        "PATTERN.search(words.text(found))",
        'search("via", entry.get("text"))',
        'match words.text(found):\n    case "it":\n        pass',
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
