# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time: who is told, and whose record is left behind."""

from __future__ import annotations

import os

import pytest
from ansible_collections.podnet.cluster.plugins.action import run_record as action
from ansible_collections.podnet.cluster.plugins.module_utils.findings import render
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.provision import run_record
from ansible_collections.podnet.cluster.plugins.module_utils.provision.run_record import LEFT_BEHIND, Run

ONE = Run("boot-1", 100, 5, "host", "me", "site.yml", 1000)
TWO = ONE._replace(pid=200, started=9)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "run.json")


def test_the_second_run_is_told(path):
    assert run_record.begin(ONE, path=path) is None
    assert run_record.begin(ONE._replace(playbook="reset.yml"), path=path) is None, "one playbook imports another"
    assert run_record.begin(TWO, path=path) == ONE
    assert not run_record.end(TWO, path=path), "it takes away no other's record"
    assert run_record.current(path) == ONE
    assert run_record.end(ONE, path=path)
    assert not os.path.exists(path)
    assert run_record.begin(TWO, path=path) is None


def test_a_record_that_was_left_behind_is_replaced_once(path):
    """Two runs may find the same one: the second of them finds the first's."""
    run_record.begin(ONE, path=path)
    three = ONE._replace(pid=300)
    assert run_record.begin(TWO, instead_of=ONE, path=path) is None
    assert run_record.begin(three, instead_of=ONE, path=path) == TWO


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_record_that_was_not_finished_counts_as_none(path, text):
    with open(path, "w") as file:
        file.write(text)
    assert run_record.begin(ONE, path=path) is None
    assert run_record.current(path) == ONE


def test_which_runs_are_over():
    assert run_record.is_over(ONE, TWO, started=None), "the process is gone"
    assert run_record.is_over(ONE, TWO, started=77), "its PID is another process's now"
    assert not run_record.is_over(ONE, TWO, started=5)
    elsewhere = ONE._replace(controller="boot-2")
    assert not run_record.is_over(elsewhere, TWO, started=None), "this controller cannot see its processes"
    assert run_record.is_over(elsewhere, TWO._replace(since=1000 + LEFT_BEHIND + 1), started=None)


def test_processes_of_the_controller():
    assert action.started(os.getpid()) == action.started(os.getpid()) > 0
    assert action.started(2**22 + 1) is None
    run = action.this_run("site.yml")
    assert (run.pid, run.started) == (os.getppid(), action.started(os.getppid()))


def test_the_words_for_the_second_run():
    finding = action._active(ONE, "cp1")
    assert (finding.code, finding.node, finding.subject) == (Code.RUN_ACTIVE, "cp1", "host")
    assert render.line(finding) == (
        "cp1: site.yml runs on this cluster since 1970-01-01 00:16 UTC (process 100 of me on host), so this run ends: "
        "wait for it; if it has ended, rm /run/lock/podnet-run.json on cp1"
    )
