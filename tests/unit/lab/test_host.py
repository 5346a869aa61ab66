# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's host: what is in the way, and locks."""

from __future__ import annotations

import json
import os
import subprocess
import threading

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.lab import host, state

from .conftest import lab


@pytest.mark.skipif(os.geteuid() != 0, reason="the preflight expects root first")
def test_preflight_names_the_network_in_the_way_and_the_disk_that_is_full():
    routes = json.loads(subprocess.run(["ip", "-j", "-4", "route"], capture_output=True, text=True, check=True).stdout)
    taken = next((route for route in routes if "/" in route["dst"]), None)
    if not taken:
        pytest.skip("this host has no connected IPv4 network")
    with pytest.raises(state.LabError, match=f"overlaps {taken['dst']} on {taken['dev']}"):
        host.preflight(lab(subnet=taken["dst"]), 0, programs=False)
    with pytest.raises(state.LabError, match="GiB free, and this lab needs"):
        host.preflight(lab(), 2**60, programs=False)
    host.preflight(lab(), 0, programs=False)


def test_locks_leave_nothing_behind_once_no_lab_is_up(monkeypatch, tmp_path):
    """Also where another process waits meanwhile: the file that it has locked then is no longer there."""
    monkeypatch.setattr(state, "RUN", str(tmp_path / "labs"))
    waiting = threading.Event()
    inside = []

    def other():
        waiting.set()
        with state.locked("probe"):
            inside.append(os.path.exists(tmp_path / "labs/.lock-probe"))

    thread = threading.Thread(target=other)
    with state.locked("probe"):
        thread.start()
        waiting.wait()
        with state.locked():
            assert sorted(os.listdir(tmp_path / "labs")) == [".lock-", ".lock-probe"]
        assert not inside
    thread.join()
    assert inside == [True] and not (tmp_path / "labs").exists()
