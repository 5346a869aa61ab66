# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role has a README.md, with the tables of its argument_specs.yml and the sections that a reader can expect."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = ["## What it does", "## Variables", "## Example", "## Reset"]


def module():
    """tests/docs/role_readmes.py."""
    specification = importlib.util.spec_from_file_location("role_readmes", ROOT / "tests/docs/role_readmes.py")
    found = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(found)
    return found


READMES = module()


@pytest.mark.parametrize("role", READMES.roles(), ids=lambda role: role.name)
def test_the_tables_are_those_of_the_argument_specs(role):
    text = (role / "README.md").read_text(encoding="utf-8")
    assert text == READMES.page(role), "python tests/docs/role_readmes.py --write renews it"


@pytest.mark.parametrize("role", READMES.roles(), ids=lambda role: role.name)
def test_the_sections(role):
    lines = (role / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line in SECTIONS] == SECTIONS


@pytest.mark.parametrize("role", READMES.roles(), ids=lambda role: role.name)
def test_the_example_is_a_play(role):
    """It names this role, and its variables are declared."""
    text = (role / "README.md").read_text(encoding="utf-8")
    blocks = text.split("## Example")[1].split("```yaml\n")[1:]
    plays = [play for block in blocks for play in yaml.safe_load(block.split("```")[0])]
    assert f"podnet.cluster.{role.name}" in yaml.safe_dump(plays)
    known = READMES.variables()
    assert [name for play in plays for name in play.get("vars", {}) if name not in known] == []


def test_every_role_is_here():
    assert {role.name for role in READMES.roles()} == {path.name for path in (ROOT / "roles").iterdir()}
