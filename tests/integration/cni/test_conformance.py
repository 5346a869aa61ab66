# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/conformance.md is right for a version of each form of result; `make conformance` takes all versions."""

from __future__ import annotations

import subprocess
import sys


def test_every_verb_of_every_plugin(root):
    command = [sys.executable, root / "tests/conformance/run.py", "--versions", "0.2.0,0.3.1,1.1.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("right: VERSION, ADD, CHECK, DEL, STATUS, GC in ") > 10
