# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When connections are judged anew, and what a failure leads to. Real connections: tests/integration/agent/policies."""

from __future__ import annotations

import io
import threading
import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.log import Log
from ansible_collections.podnet.cluster.plugins.module_utils.agent.policies import cutter as module
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code


@pytest.fixture
def cutter(monkeypatch):
    """One that judges all the time, and counts in ``judged``."""
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.setattr(module, "SHARE", 0)
    made = module.Cutter(lambda _connection: True, threading.Lock(), 1, Log(io.StringIO()))
    made.judged = 0
    made.failures = 0

    def judge() -> None:
        made.judged += 1
        if made.failures:
            made.failures -= 1
            raise OSError(1, "refused")
        made.marked = 0

    monkeypatch.setattr(made, "_judge", judge)
    made.start()
    yield made
    made.close()


def wait(holds) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_allows_more_matters_to_marked_connections_alone(cutter):
    cutter.changed(narrows=False)  # it is not known yet whether an agent before has marked any
    wait(lambda: cutter.judged == 1 and cutter.marked == 0)
    cutter.changed(narrows=False)
    time.sleep(0.1)
    assert cutter.judged == 1
    cutter.changed(narrows=True)
    wait(lambda: cutter.judged == 2)
    cutter.marked = 3
    cutter.changed(narrows=False)
    wait(lambda: cutter.judged == 3)


def test_a_failure_is_reported_and_tried_again(cutter):
    cutter.failures = 2
    cutter.changed(narrows=True)
    wait(lambda: cutter.judged == 3)
    assert cutter.log.stream.getvalue().startswith(Code.POLICY_CONNECTIONS_NOT_CUT.value)
