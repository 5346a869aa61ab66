# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's state as a whole, and kernel modules and swap as parts of it."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge import units
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import StateError
from ansible_collections.podnet.cluster.plugins.module_utils.provision import kernel, node
from provisioning import NOTHING


def spec(path, **values):
    """A file's spec, as the module hands it over."""
    return {"path": str(path), "state": "file", "content": "", "mode": None, **values}


def test_a_file_is_written_and_the_next_plan_is_empty(tmp_path):
    wanted = {**NOTHING, "files": [spec(tmp_path / "file", content="x")]}
    assert node.plan(wanted, check_mode=True).describe() == [f"write file {tmp_path}/file"]
    assert not (tmp_path / "file").exists()
    assert node.plan(wanted, check_mode=False).apply() == []
    assert (tmp_path / "file").read_text() == "x"
    assert not node.plan(wanted, check_mode=False)


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_sysctl_that_the_kernel_does_not_have(tmp_path, check_mode):
    """What comes before it is done all the same, and told."""
    plan = node.plan({**NOTHING, "files": [spec(tmp_path / "file")], "sysctls": {"no.such": 1}}, check_mode)
    if check_mode:
        with pytest.raises(StateError, match=r"sysctl no\.such: this kernel does not have it"):
            plan.describe()
    else:
        (error,) = plan.apply()
        assert "sysctl no.such: this kernel does not have it" in error.parameters["error"]
    assert plan.describe() == [f"write file {tmp_path}/file"]


def test_a_sysctl_may_come_with_a_module_that_check_mode_does_not_load(monkeypatch):
    monkeypatch.setattr(kernel, "modules", lambda names, proofs: [kernel.Change("module", "", "load it", "", "", int)])
    plan = node.plan({**NOTHING, "kernel_modules": ["x"], "sysctls": {"no.such": 1}}, check_mode=True)
    assert plan.describe() == ["load it", "set no.such to 1"]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"path": "relative"}, "is not an absolute path"),
        ({"path": "{}/directory"}, "exists and is a directory"),
        ({"path": "{}/directory", "state": "link", "target": "/x"}, "exists and is a directory"),
        ({"path": "{}/file", "state": "directory"}, "exists and is not a directory"),
        ({"path": "{}/new", "owner": "nobody-by-that-name"}, "unknown user or group"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_done(tmp_path, wanted, told):
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("")
    wanted = {**wanted, "path": wanted["path"].format(tmp_path)}
    with pytest.raises(StateError, match=told):
        node.plan(
            {**NOTHING, "files": [spec(tmp_path / "first", content="x"), spec(**wanted)]}, check_mode=False
        ).apply()
    assert not (tmp_path / "first").exists()


def test_a_unit_that_reads_the_conflist_is_restarted_once_it_is_written(tmp_path, monkeypatch):
    """And no other unit; it stays due where that fails."""
    file, restarts = tmp_path / "10.conflist", []

    def systemctl(verb, *arguments):
        if verb == "show":
            active = "Id={}\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n"
            return "\n".join(map(active.format, arguments[arguments.index("--") + 1 :]))
        restarts.append((verb, arguments[-1], file.exists()))
        if len(restarts) == 1:
            raise StateError("it failed")
        return ""

    monkeypatch.setattr(units, "systemctl", systemctl)
    monkeypatch.setattr(units, "PENDING", str(tmp_path / "pending"))
    (tmp_path / "bridge").touch(mode=0o755)
    unit = {"enabled": None, "state": None, "masked": None, "reload_on": []}
    wanted = {
        **NOTHING,
        "units": [{**unit, "name": "reader", "restart_on": [str(file)]}, {**unit, "name": "other", "restart_on": []}],
        "conflist": {
            **{"directory": str(tmp_path), "file": file.name, "network": "x", "cni_version": "1.0.0"},
            **{"plugins": [{"type": "bridge"}], "bin_dirs": [str(tmp_path)]},
        },
    }
    assert node.plan(wanted, check_mode=True).describe() == [f"write file {file}", "restart reader.service"]
    (error,) = node.plan(wanted, check_mode=False).apply()
    assert error.parameters["error"].startswith("it failed")
    assert node.plan(wanted, check_mode=False).apply() == []
    assert restarts == [("restart", "reader.service", True)] * 2
    assert not node.plan(wanted, check_mode=False)
