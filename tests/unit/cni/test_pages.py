# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/differential.md is what the documented differences make of it now."""

from __future__ import annotations

import subprocess
import sys


def test_differential_is_current(root):
    command = [sys.executable, root / "tests/differential/run.py", "--print"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (root / "docs/differential.md").read_text() == printed, "make differential renews it"
