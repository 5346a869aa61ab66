# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/conformance.md is right for a version of each form of result; `make conformance` takes all versions."""

from __future__ import annotations

import json
import subprocess
import sys


def test_every_verb_of_every_plugin(root):
    command = [sys.executable, root / "tests/conformance/run.py", "--json", "--service"]
    command += ["--versions", "0.2.0,0.3.1,1.1.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = json.loads(done.stdout)["cells"]
    assert len(cells) > 10
    rows = [line.strip("| ").split(" | ") for line in (root / "docs/conformance.md").read_text().splitlines()]
    head = next(row for row in rows if row[0] == "Plugin")
    for row in rows:
        if row[0] not in cells or len(row) != len(head):
            continue
        versions = row[1].split(" – ")
        for version, seen in cells[row[0]].items():
            if versions[0] <= version <= versions[-1]:
                assert seen == dict(zip(head[2:], row[2:])), f"make conformance renews the page: {row[0]} {version}"
