# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A few cases of tests/differential, and those for `make guest`; `make differential` runs all that this kernel can."""

from __future__ import annotations

import subprocess
import sys

import pytest


def compare(root, word):
    """Runs the cases whose names have the word in them."""
    command = [sys.executable, root / "tests/differential/run.py", "-k", word]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 with differences that nothing explains" in done.stdout
    assert "\n0 cases" not in done.stdout, "none ran"


@pytest.mark.parametrize("word", ["bridge, IPv4 and IPv6, 1.0.0", "portmap, hostIP", "ranges by capability"])
def test_same_as_go(root, word):
    compare(root, word)


@pytest.mark.parametrize(
    ("kind", "word"), [("ipvlan", "ipvlan, l"), ("vlan", "vlan, id"), ("vlan", "bridge, vlan"), ("vrf", "vrf")]
)
def test_same_as_go_with_what_not_every_kernel_has(root, needs, kind, word):
    needs(kind)
    compare(root, word)
