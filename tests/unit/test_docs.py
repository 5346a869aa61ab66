# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages: links, files, tests, make targets and plugins that they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "plugins/module_utils"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md"), *ROOT.glob("roles/*/README.md")])
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
#: Folders that hold files of this repository; ``build/`` holds what is made.
TOP = "bench|changelogs|docs|inventories|meta|molecule|playbooks|plugins|roles|tests"
LAYERS = "|".join(sorted(path.name for path in LIBRARY.iterdir() if path.is_dir() and path.name != "__pycache__"))

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^(?:```.*?^```|(?: {4}).*?)$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
FILE = re.compile(rf"(?<![\w./-])((?:{TOP}|{LAYERS})/[\w./-]*[\w/])((?:::\w+)*)")
TARGET = re.compile(r"(?:^|[`$|(]|&&) *make ([a-z][a-z0-9-]*)", re.MULTILINE)
PLACES = ("plugins/modules/{}.py", "plugins/filter/{}.yml", "plugins/connection/{}.py", "playbooks/{}.yml", "roles/{}")
PLUGIN = re.compile(r"\bpodnet\.cluster\.([a-z_]+)\b")


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(text: str) -> str:
    """Code spans and blocks, a line each."""
    return "\n".join(found.group(0) for found in CODE.finditer(text))


@each_page
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _hash, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@each_page
def test_named_files_and_tests_exist(page):
    """``tests/unit/test_x.py::test_y``, ``plugins/…``, and library files from their layer on."""
    for path, test in FILE.findall(code(page.read_text())):
        found = [top / path for top in (ROOT, LIBRARY) if (top / path).exists()]
        assert found, path
        assert not test or f"def {test[2:]}(" in found[0].read_text(), path + test


@each_page
def test_named_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall(code(page.read_text()))) <= targets


@each_page
def test_named_plugins_exist(page):
    """Modules, roles, playbooks and filters by their full name."""
    for name in PLUGIN.findall(page.read_text()):
        assert name == "git" or any((ROOT / place.format(name)).exists() for place in PLACES), name


def test_the_architecture_has_every_layer():
    table = (ROOT / "docs/architecture.md").read_text().partition("| Layer |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `(\w+)/` \|", table, re.MULTILINE)) == LAYERS.split("|")
