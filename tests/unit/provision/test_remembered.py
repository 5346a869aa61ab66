# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States that are kept on the node, and which of them it still is in."""

from __future__ import annotations

import functools
import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.provision import node, remembered
from provisioning import NOTHING


@pytest.fixture
def state(tmp_path):
    """A state of one file that the node was brought to, and the directory in which it is kept."""
    directory = tmp_path / "states"
    spec = {"path": str(tmp_path / "file"), "state": "file", "content": "x", "mode": None, "secret": False}
    wanted = {**NOTHING, "files": [spec]}
    done = functools.partial(remembered.keep, "role", "digest", wanted, str(directory))
    assert node.plan(wanted, False, done=done).apply() == []
    return tmp_path / "file", directory


def test_a_state_that_holds_is_told_by_its_digest(state):
    _file, directory = state
    assert remembered.in_sync(str(directory)) == {"role": "digest"}
    assert (directory / "role.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", [None, "y"])
def test_a_state_that_drifted_is_not(state, text):
    file, directory = state
    file.unlink() if text is None else file.write_text(text)
    assert remembered.in_sync(str(directory)) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"digest": "x", "wanted": {"files": [{}]}}'])
def test_what_this_library_does_not_understand_is_not(state, text):
    _file, directory = state
    (directory / "role.json").write_text(text)
    assert remembered.in_sync(str(directory)) == {}


def test_check_mode_keeps_nothing(tmp_path):
    kept = []
    node.plan(NOTHING, True, done=lambda: kept.append(True)).describe()
    assert kept == []


def test_a_failure_keeps_nothing(tmp_path):
    kept = []
    plan = node.plan({**NOTHING, "sysctls": {"no.such": 1}}, False, done=lambda: kept.append(True))
    assert plan.apply() and kept == []


def test_a_secret_is_not_kept_and_removes_what_was(state, tmp_path):
    _file, directory = state
    spec = {"path": str(tmp_path / "secret"), "state": "file", "content": "password", "secret": True}
    remembered.keep("role", "digest", {**NOTHING, "files": [spec]}, str(directory))
    assert not (directory / "role.json").exists()


def test_an_empty_secret_is_kept(tmp_path):
    spec = {"path": str(tmp_path / "none"), "state": "absent", "content": "", "secret": True}
    remembered.keep("role", "digest", {**NOTHING, "files": [spec]}, str(tmp_path / "states"))
    assert json.loads((tmp_path / "states/role.json").read_text())["digest"] == "digest"
    assert remembered.in_sync(str(tmp_path / "states")) == {"role": "digest"}
