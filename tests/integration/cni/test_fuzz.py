# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A few thousand fuzzed calls of all plugins; `make fuzz CASES=100000` makes more."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
def test_no_accident_nothing_left_no_way_out(root):
    command = [sys.executable, root / "tests/fuzz/run.py", "--cases", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert re.search(r"10\d\d cases of \d+ plugins", done.stdout), done.stdout
    for verb in ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"):  # and not only errors
        assert f"{verb} done" in done.stdout
