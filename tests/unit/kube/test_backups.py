# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node's timer makes backups: systemd's properties as systemd 252 prints them."""

from __future__ import annotations

import calendar
import os
import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.kube import backups

NOW = calendar.timegm((2026, 11, 30, 12, 0, 0))
HOUR, DAY = 3600, 86400
SYSTEMCTL = """#!/bin/sh
test "$TZ" = UTC || exit 1
cat <<END
Id=podnet-backup.service
LoadState={service_load}
ActiveState={service}

LastTriggerUSec={last}
Id=podnet-backup.timer
LoadState={load}
ActiveState={timer}
END
"""


@pytest.fixture
def judge(tmp_path, monkeypatch):
    """What is found where the timer's last turn was ``last`` seconds ago (None: never), the newest backup is so old
    (None: there is none), and the timer was configured ``age`` seconds ago."""
    monkeypatch.setattr(backups, "UNITS", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    directory = tmp_path / "of the cluster"
    directory.mkdir()
    service = f"[Service]\nExecStart=/bin/podnetctl backup --directory '{directory}' --keep 7\n"
    (tmp_path / backups.SERVICE).write_text(service)
    (tmp_path / backups.TIMER).touch()

    def found(last=None, newest=None, age=30 * DAY, service="inactive", timer="active", load="loaded"):
        turn = "" if last is None else time.strftime("%a %Y-%m-%d %H:%M:%S UTC", time.gmtime(NOW - last))
        program = tmp_path / "systemctl"
        program.write_text(SYSTEMCTL.format(last=turn, service=service, timer=timer, load=load, service_load=load))
        program.chmod(0o755)
        os.utime(tmp_path / backups.TIMER, (NOW - age, NOW - age))
        for days, each in enumerate([] if newest is None else [newest, newest + DAY]):
            path = directory / f"podnet-{days}.tar.gz.cms"
            path.touch()
            os.utime(path, (NOW - each, NOW - each))
        return backups.findings("node1", NOW)

    return found


@pytest.mark.parametrize(
    "state",
    [
        {"load": "not-found", "timer": "inactive"},
        {"age": DAY},
        {"last": 6 * HOUR, "newest": 6 * HOUR - 20},
        {"last": HOUR // 2, "newest": DAY},
        {"last": DAY, "age": DAY},
    ],
    ids=["no timer", "its turn has not come", "made at its turn", "being made", "booted before its first turn"],
)
def test_all_is_well(judge, state):
    assert judge(**state) == []


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ({"last": DAY, "newest": 2 * DAY}, Code.BACKUP_OLD),
        ({"last": DAY}, Code.BACKUP_OLD),
        ({"last": 3 * HOUR, "newest": DAY, "service": "activating"}, Code.BACKUP_OLD),
        ({"last": DAY, "newest": 2 * DAY, "service": "failed"}, Code.BACKUP_FAILED),
        ({"last": 9 * DAY, "newest": 9 * DAY - 20, "timer": "inactive"}, Code.BACKUP_TIMER_STOPPED),
    ],
)
def test_no_backup_when_there_should_be_one(judge, state, code):
    (finding,) = judge(**state)
    assert finding.code == code


def test_what_is_told_of_an_old_one(judge, tmp_path):
    (finding,) = judge(last=3 * HOUR, newest=DAY)
    assert finding.subject == str(tmp_path / "of the cluster")
    assert finding.parameters == {"newest": "2026-11-29 12:00", "due": "2026-11-30 09:00"}
    (finding,) = judge(last=3 * HOUR, newest=DAY, timer="failed")
    assert finding.subject == backups.TIMER
