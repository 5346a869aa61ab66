# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the compiled policies and the gate's file are written."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.policies import state_files as module
from ansible_collections.podnet.cluster.plugins.module_utils.agent.policies.places import Places


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def saved(monkeypatch):
    found: list = []
    monkeypatch.setattr(module.files, "save", lambda path, program: found.append((path, program)))
    return found


@pytest.fixture
def written(tmp_path):
    (tmp_path / "policy").mkdir()
    return module.StateFiles(Places(str(tmp_path / "policy"), str(tmp_path)))


def test_the_gate_s_file_says_where_add_asks_and_is_written_when_that_changes(written, tmp_path):
    assert not written.announced()
    written.announce({"shop", "bank"})
    assert written.announced()
    gate = tmp_path / "policy/gate"
    assert json.loads(gate.read_text()) == {
        "socket": f"{tmp_path}/policy.sock", "records": f"{tmp_path}/policy", "namespaces": ["bank", "shop"],
    }  # fmt: skip
    gate.write_text("")
    written.announce({"bank", "shop"})
    assert gate.read_text() == "", "nothing has changed"
    written.announce(None)
    assert json.loads(gate.read_text())["namespaces"] is None


def test_a_program_is_written_once_it_has_settled_and_not_too_often(written, clock, saved):
    program = object()
    written.save(program)
    assert written.due_at() is None and not saved
    written.changed()
    clock.now += module.SETTLE / 2
    written.changed()
    written.save(program)
    assert not saved, "the first change counts"
    clock.now += module.SETTLE / 2
    written.save(program)
    assert saved == [(written.places.program, program)] and written.due_at() is None
    written.changed()
    assert written.due_at() == clock.now + module.PAUSE
