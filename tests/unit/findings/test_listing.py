# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of findings is that of the table and the tests as they are; and every code has a test that provokes it."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from faults import listing


def test_the_page_is_the_table(root):
    told = (root / "docs/faults.md").read_text(encoding="utf-8")
    assert told.rstrip() == listing.page().rstrip(), ".venv/bin/python tests/faults/listing.py --write renews it"


@pytest.fixture(scope="module")
def provoking() -> dict[Code, list[str]]:
    return listing.provocations()


@pytest.mark.parametrize("code", list(Code), ids=str)
def test_every_code_is_provoked(code, provoking):
    assert provoking[code], f"{code}: no test provokes it: an entry of tests/faults, or a test that names the code"
