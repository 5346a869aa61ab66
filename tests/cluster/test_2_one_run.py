# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs at a time on one cluster: the second is told, and one that has died keeps nobody out."""

from __future__ import annotations

import signal
import subprocess

from .conftest import ROOT

RECORD = "/run/lock/podnet-run.json"


def test_the_second_of_two_runs_is_told(lab):
    """The first is stopped once it has begun to change something, and is killed then."""
    command = ["ansible-playbook", "playbooks/site.yml"]
    with subprocess.Popen(
        command, cwd=ROOT, env=lab.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as first:
        for line in first.stdout:
            if "PLAY [Prepare the nodes]" in line:
                break
        first.send_signal(signal.SIGSTOP)
        try:
            assert f'"pid": {first.pid}' in lab.node("node1", f"cat {RECORD}")
            second = lab.play("reset", expect=2)
            assert "run.active" in second.output and f"process {first.pid} " in second.output
            assert second.changed == {}
        finally:
            first.kill()
    assert f'"pid": {first.pid}' in lab.node("node1", f"cat {RECORD}"), "a run that was killed leaves its record"
    assert lab.play("site").changed == {}
    assert lab.node("node1", f"ls {RECORD} 2>/dev/null || true") == ""
