# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd units: what is done to them, and restarts that are due."""

from __future__ import annotations

import os

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge import units
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import StateError


def unit(**values):
    """A unit's spec, as the module hands it over."""
    return {"name": "x", "enabled": None, "state": None, "masked": None, "restart_on": [], "reload_on": [], **values}


ACTIVE = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}
INACTIVE = {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "disabled"}
MISSING = {"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""}
MASKED = {"LoadState": "masked", "ActiveState": "inactive", "UnitFileState": "masked"}


@pytest.mark.parametrize(
    ("wanted", "actual", "done"),
    [
        ({"enabled": True, "state": "started"}, ACTIVE, []),
        ({"enabled": True, "state": "started"}, INACTIVE, ["enable x.service", "start x.service"]),
        ({"enabled": False, "state": "stopped"}, ACTIVE, ["disable x.service", "stop x.service"]),
        ({"enabled": False, "state": "stopped"}, INACTIVE, []),
        ({"enabled": False, "state": "stopped"}, MISSING, []),
        ({"masked": True}, INACTIVE, ["mask x.service"]),
        ({"masked": True}, MASKED, []),
        ({"masked": False, "state": "started"}, MASKED, ["unmask x.service", "start x.service"]),
        ({"state": "started"}, {**INACTIVE, "ActiveState": "failed"}, ["start x.service"]),
        ({"enabled": True}, {**ACTIVE, "UnitFileState": "static"}, []),
        ({"restart_on": ["/a"]}, ACTIVE, ["restart x.service"]),
        ({"restart_on": ["/a"]}, INACTIVE, []),
        ({"restart_on": ["/a"], "state": "started"}, INACTIVE, ["start x.service"]),
        ({"restart_on": ["/b"]}, ACTIVE, []),
        ({"reload_on": ["/a"]}, ACTIVE, ["reload x.service"]),
        ({"reload_on": ["/a"]}, INACTIVE, []),
        ({"reload_on": ["/a"]}, MISSING, []),
        ({"reload_on": ["/a"], "restart_on": ["/a"]}, ACTIVE, ["restart x.service"]),
        ({"reload_on": ["/b"]}, ACTIVE, []),
        ({}, {**ACTIVE, "NeedDaemonReload": "yes"}, ["reload systemd's units"]),
    ],
)
def test_units(tmp_path, monkeypatch, wanted, actual, done):
    monkeypatch.setattr(units, "PENDING", str(tmp_path))
    found = units.Units([unit(**wanted)], {"x.service": actual})
    assert [change.text for change in found.plan({"/a"}, check_mode=False)] == done


def test_a_restart_that_is_due_stays_due(tmp_path, monkeypatch):
    """A run that failed between the file and the restart is made good by the next one, which changes no file."""
    monkeypatch.setattr(units, "PENDING", str(tmp_path))
    units.Units([unit(restart_on=["/a"])], {"x.service": ACTIVE}).note({"/a"})
    later = units.Units([unit(restart_on=["/a"])], {"x.service": ACTIVE})
    assert [change.text for change in later.plan(set(), check_mode=False)] == ["restart x.service"]


def test_a_reload_that_is_due_stays_due_and_is_no_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(units, "PENDING", str(tmp_path))
    monkeypatch.setattr(units, "systemctl", lambda *arguments: "")
    units.Units([unit(reload_on=["/a"])], {"x.service": ACTIVE}).note({"/a"})
    later = units.Units([unit(reload_on=["/a"])], {"x.service": ACTIVE})
    (change,) = later.plan(set(), check_mode=False)
    assert change.text == "reload x.service"
    change.apply()
    assert list(later.plan(set(), check_mode=False)) == []


def test_a_unit_that_does_not_run_needs_no_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(units, "PENDING", str(tmp_path))
    units.Units([unit(restart_on=["/a"], reload_on=["/a"])], {"x.service": INACTIVE}).note({"/a"})
    assert os.listdir(tmp_path) == []


def test_a_new_unit_file_is_loaded_first(tmp_path, monkeypatch):
    monkeypatch.setattr(units, "PENDING", str(tmp_path))
    found = units.Units([unit(enabled=True)], {"x.service": MISSING})
    done = [change.text for change in found.plan({"/etc/systemd/system/x.service"}, check_mode=False)]
    assert done == ["reload systemd's units", "enable x.service"]


def test_a_unit_that_is_not_there_is_an_error_but_not_in_check_mode(tmp_path, monkeypatch):
    monkeypatch.setattr(units, "PENDING", str(tmp_path))
    found = units.Units([unit(state="started")], {"x.service": MISSING})
    with pytest.raises(StateError, match=r"unit x\.service does not exist"):
        list(found.plan(set(), check_mode=False))
    assert [change.text for change in found.plan(set(), check_mode=True)] == ["start x.service"]
