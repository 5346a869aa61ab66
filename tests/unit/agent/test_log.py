# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's log."""

from __future__ import annotations

import io

from ansible_collections.podnet.cluster.plugins.module_utils.agent.log import Log
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding


def test_what_is_said_again_is_counted_and_lines_stay_lines(monkeypatch):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    stream = io.StringIO()
    log = Log(stream, every=3600)
    same = Finding(Code.AGENT_SETTINGS_INVALID, "node1", "podnetd", {"error": "the same\nagain"})
    for _time in range(5):
        log.error(same)
    log.every = 0
    log.error(same)
    log.changes("why", ["add route"], 3)
    assert stream.getvalue().splitlines() == [
        "agent.settings-invalid: podnetd: the same again; keeping the running settings",
        "agent.settings-invalid: podnetd: the same again; keeping the running settings [repeated 4 times]",
        "add route (why)",
        "and 2 more (why)",
    ]


def test_the_journal_is_told_the_level(monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    stream = io.StringIO()
    log = Log(stream)
    log.warning(Finding(Code.AGENT_LOCK_HELD, "node1", "podnetd"))
    log.info("done")
    warning, info = stream.getvalue().splitlines()
    assert warning.startswith("<4>agent.lock-held: podnetd: the namespace lock is held") and "; fix: fuser" in warning
    assert info == "<6>done"
