# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A few cases of tests/differential; `make differential` runs them all."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(not os.access("/usr/lib/cni/bridge", os.X_OK), reason="Debian's Go plugins are not installed")
@pytest.mark.parametrize("word", ["bridge, IPv4 and IPv6, 1.0.0", "portmap, hostIP", "ranges by capability"])
def test_same_as_go(root, word):
    command = [sys.executable, root / "tests/differential/run.py", "-k", word]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 with differences that nothing explains" in done.stdout
    assert "\n0 cases" not in done.stdout
