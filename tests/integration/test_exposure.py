# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a fault in one of our services could do: systemd's own measure, from 0 to 10."""

from __future__ import annotations

import shutil
import subprocess

import confined
import pytest


@pytest.mark.parametrize(
    ("unit", "most"), [("overlay/podnetd", 4.0), ("cni/podnet-cni", 4.9), ("cni/podnet-dhcp", 3.5)]
)
def test_the_exposure(unit, most, tmp_path):
    """A unit without any option has 9.6; podnet-cni may have no mounts of its own."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("not installed: systemd-analyze")
    path = tmp_path / f"{unit.rpartition('/')[2]}.service"
    path.write_text(confined.text(unit))
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={most * 10:.0f}", "--no-pager", path]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
