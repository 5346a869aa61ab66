# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/differential.md and docs/conformance.md are what the tests make of them now."""

from __future__ import annotations

import subprocess
import sys

from ansible_collections.podnet.cluster.plugins.module_utils.cni.exec import delegate
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.result import VERSIONS


def printed(*command):
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True).stdout


def test_differential(root):
    text = printed(root / "tests/differential/run.py", "--print")
    assert (root / "docs/differential.md").read_text() == text, "make differential renews it"


def test_conformance_has_every_plugin_in_every_version(root):
    """What came of the calls is held against the page by the integration test."""
    rows = [line.strip("| ").split(" | ") for line in (root / "docs/conformance.md").read_text().splitlines()]
    rows = [row for row in rows if row[0] in delegate.OWN and len(row) == 8]
    for name in delegate.OWN:
        spans = [row[1].split(" – ") for row in rows if row[0] == name]
        covered = [version for span in spans for version in VERSIONS if span[0] <= version <= span[-1]]
        assert covered == list(VERSIONS), f"make conformance renews it: {name}"
    assert {sign for row in rows for sign in row[2:]} == {"●", "1"}


def test_conformance_has_every_defect(root):
    text = printed(root / "tests/conformance/run.py", "--defects")
    assert (root / "docs/conformance.md").read_text().endswith(text), "make conformance renews it"
