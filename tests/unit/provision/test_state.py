# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, kernel settings and units as they are to be: what is done, what is shown, and that it is done once."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.provision import files, kernel, node, systemd
from ansible_collections.podnet.cluster.plugins.module_utils.provision.change import StateError

NOTHING = {
    "files": [],
    "hostname": None,
    "kernel_modules": [],
    "kernel_module_proofs": {},
    "sysctls": {},
    "swap": "keep",
    "units": [],
}


def spec(path, **values):
    """A file's spec, as the module hands it over."""
    return {"path": str(path), "state": "file", "content": "", "mode": None, **values}


def bring(*specs, check_mode=False):
    """Brings files to ``specs``; returns the changes."""
    changes = []
    node.bring({**NOTHING, "files": list(specs)}, check_mode, changes.append)
    return changes


def test_a_file_is_made_with_its_directories_and_then_left_alone(tmp_path):
    wanted = spec(tmp_path / "a/b/file", content="text\n", mode="0640")
    (change,) = bring(wanted)
    assert change.diff() == {
        "before": "",
        "after": "text\n",
        "before_header": wanted["path"],
        "after_header": wanted["path"],
    }
    assert (tmp_path / "a/b/file").read_text() == "text\n"
    assert stat.S_IMODE(os.stat(wanted["path"]).st_mode) == 0o640
    assert bring(wanted) == []


def test_check_mode_does_nothing(tmp_path):
    assert len(bring(spec(tmp_path / "file", content="text"), check_mode=True)) == 1
    assert not (tmp_path / "file").exists()


def test_an_empty_file_is_made(tmp_path):
    assert len(bring(spec(tmp_path / "file"))) == 1
    assert bring(spec(tmp_path / "file")) == []


def test_content_changes_and_the_mode_stays(tmp_path):
    path = tmp_path / "file"
    path.write_text("old\n")
    path.chmod(0o600)
    (change,) = bring(spec(path, content="new\n"))
    assert (change.before, change.after) == ("old\n", "new\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_mode_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("text")
    path.chmod(0o600)
    (change,) = bring(spec(path, content="text", mode="0644"))
    assert (change.before, change.after) == ("mode 0600\n", "mode 0644\n")
    assert bring(spec(path, content="text", mode="0644")) == []


def test_a_secret_is_not_shown(tmp_path):
    (tmp_path / "file").write_text("hush before")
    (change,) = bring(spec(tmp_path / "file", content="hush after", secret=True))
    assert "hush" not in change.before + change.after + change.what


def test_a_block_in_a_file_of_others(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n")
    bring(spec(path, block="nodes", content="10.0.0.1 a\n"))
    path.write_text(path.read_text() + "10.9.9.9 mine\n")
    bring(spec(path, block="nodes", content="10.0.0.1 a\n10.0.0.2 b\n"))
    assert path.read_text() == (
        "127.0.0.1 localhost\n# BEGIN nodes: managed by podnet.cluster\n10.0.0.1 a\n10.0.0.2 b\n"
        "# END nodes: managed by podnet.cluster\n10.9.9.9 mine\n"
    )
    assert bring(spec(path, block="nodes", content="10.0.0.1 a\n10.0.0.2 b\n")) == []
    bring(spec(path, block="nodes"))
    assert path.read_text() == "127.0.0.1 localhost\n10.9.9.9 mine\n"
    assert bring(spec(path, block="nodes")) == []


def test_half_a_block_is_text_like_any_other():
    begin = files.MARK.format("BEGIN", "x")
    assert files.with_block(f"{begin}\nrest\n", "x", "") == f"{begin}\nrest\n"


def test_links(tmp_path):
    path = tmp_path / "link"
    wanted = spec(path, state="link", target="/nowhere")
    assert len(bring(wanted)) == 1
    assert os.readlink(path) == "/nowhere"
    assert bring(wanted) == []
    assert len(bring(spec(path, state="link", target="/elsewhere"))) == 1
    assert os.readlink(path) == "/elsewhere"
    assert os.listdir(tmp_path) == ["link"]


def test_a_file_takes_a_link_s_place_and_leaves_the_target(tmp_path):
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    bring(spec(tmp_path / "link", content="ours"))
    assert (tmp_path / "target").read_text() == "theirs"
    assert not (tmp_path / "link").is_symlink()


def test_absent_takes_directories_with_all_that_is_in_them(tmp_path):
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/e/f").write_text("")
    assert len(bring(spec(tmp_path / "d", state="absent"))) == 1
    assert bring(spec(tmp_path / "d", state="absent")) == []
    assert bring(spec(tmp_path / "file/below", state="absent")) == []


def test_what_was_there_before_is_kept_and_restored(tmp_path):
    path = tmp_path / "config"
    path.write_text("theirs\n")
    path.chmod(0o640)
    bring(spec(path, content="# by podnet.cluster\n1\n", backup=True))
    bring(spec(path, content="# by podnet.cluster\n2\n", backup=True))
    assert path.read_text() == "# by podnet.cluster\n2\n"
    bring(spec(path, state="restored"))
    assert path.read_text() == "theirs\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["config"]
    assert bring(spec(path, state="restored")) == []


def test_restored_where_nothing_was_before_means_gone_but_only_what_is_ours(tmp_path):
    bring(spec(tmp_path / "ours", content="# by podnet.cluster\n", backup=True))
    (tmp_path / "theirs").write_text("theirs")
    bring(spec(tmp_path / "ours", state="restored"), spec(tmp_path / "theirs", state="restored"))
    assert os.listdir(tmp_path) == ["theirs"]


def test_a_link_is_restored_to_the_file_it_replaced(tmp_path):
    path = tmp_path / "config"
    path.write_text("theirs")
    bring(spec(path, state="link", target="/ours", backup=True))
    bring(spec(path, state="restored", target="/ours"))
    assert path.read_text() == "theirs"
    bring(spec(tmp_path / "new", state="link", target="/ours", backup=True))
    bring(spec(tmp_path / "new", state="restored", target="/ours"))
    assert os.listdir(tmp_path) == ["config"]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"path": "relative"}, "not absolute"),
        ({"path": "{}/directory"}, "is a directory"),
        ({"path": "{}/directory", "state": "link", "target": "/x"}, "is a directory"),
        ({"path": "{}/file", "state": "directory"}, "is to be a directory"),
        ({"path": "{}/new", "owner": "nobody-by-that-name"}, "no such user or group"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_done(tmp_path, wanted, told):
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("")
    wanted = {**wanted, "path": wanted["path"].format(tmp_path)}
    with pytest.raises(StateError, match=told):
        bring(spec(tmp_path / "first", content="x"), spec(**wanted))
    assert not (tmp_path / "first").exists()


def test_sysctls(tmp_path):
    (tmp_path / "net/ipv4/conf/eth0.5").mkdir(parents=True)
    for name, value in (
        ("net/ipv4/ip_forward", "0\n"),
        ("net/ipv4/range", "1024\t4096\n"),
        ("net/ipv4/conf/eth0.5/x", "0"),
    ):
        (tmp_path / name).write_text(value)
    wanted = {"net.ipv4.ip_forward": 1, "net.ipv4.range": "1024 4096", "net/ipv4/conf/eth0.5/x": 1, "-no.such": 1}
    changes = list(kernel.sysctls(wanted, root=str(tmp_path)))
    assert [change.after for change in changes] == ["net.ipv4.ip_forward = 1\n", "net/ipv4/conf/eth0.5/x = 1\n"]
    for change in changes:
        change.apply()
    assert (tmp_path / "net/ipv4/ip_forward").read_text() == "1"
    assert list(kernel.sysctls(wanted, root=str(tmp_path))) == []


def test_a_sysctl_that_is_not_there(tmp_path):
    with pytest.raises(StateError, match=r"net\.bridge\.x: this kernel has no such setting"):
        list(kernel.sysctls({"net.bridge.x": 1}, root=str(tmp_path)))
    # in check mode the module that brings it may not have been loaded
    assert len(list(kernel.sysctls({"net.bridge.x": 1}, root=str(tmp_path), pending_modules=True))) == 1


def test_a_module_with_its_proof_is_not_loaded():
    assert list(kernel.modules(["no_such_module"], {"no_such_module": "/proc/self"})) == []
    assert list(kernel.modules(["no_such_module"], {"no_such_module": "filesystem:proc"})) == []


def test_swap(tmp_path):
    fstab, swaps = tmp_path / "fstab", tmp_path / "swaps"
    swaps.write_text("Filename Type Size Used Priority\n")
    lines = [
        "UUID=1 / ext4 defaults 0 1\n",
        "/swap none swap sw 0 0\n",
        "# /old none swap\n",
        "UUID=2\tnone\tswap\n",
        "/swap/x /m ext4\n",
    ]
    fstab.write_text("".join(lines))
    (change,) = kernel.no_swap(str(swaps), str(fstab))
    change.apply()
    mark = "# no swap on a Kubernetes node: "
    assert fstab.read_text() == lines[0] + mark + lines[1] + lines[2] + mark + lines[3] + lines[4]
    assert list(kernel.no_swap(str(swaps), str(fstab))) == []
    swaps.write_text("Filename Type Size Used Priority\n/dev/vda2 partition 1 0 -2\n")
    (change,) = kernel.no_swap(str(swaps), str(fstab))
    assert (change.what, change.before) == ("swap off", "/dev/vda2\n")


def unit(**values):
    """A unit's spec, as the module hands it over."""
    return {"name": "x", "enabled": None, "state": None, "masked": None, "restart_on": [], **values}


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
        ({}, {**ACTIVE, "NeedDaemonReload": "yes"}, ["reload systemd's units"]),
    ],
)
def test_units(tmp_path, monkeypatch, wanted, actual, done):
    monkeypatch.setattr(systemd, "PENDING", str(tmp_path))
    units = systemd.Units([unit(**wanted)], {"x.service": actual})
    assert [change.what for change in units.plan({"/a"}, check_mode=False)] == done


def test_a_restart_that_is_due_stays_due(tmp_path, monkeypatch):
    """A run that failed between the file and the restart is made good by the next one, which changes no file."""
    monkeypatch.setattr(systemd, "PENDING", str(tmp_path))
    systemd.Units([unit(restart_on=["/a"])], {"x.service": ACTIVE}).note({"/a"})
    later = systemd.Units([unit(restart_on=["/a"])], {"x.service": ACTIVE})
    assert [change.what for change in later.plan(set(), check_mode=False)] == ["restart x.service"]


def test_a_unit_that_does_not_run_needs_no_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(systemd, "PENDING", str(tmp_path))
    systemd.Units([unit(restart_on=["/a"])], {"x.service": INACTIVE}).note({"/a"})
    assert os.listdir(tmp_path) == []


def test_a_new_unit_file_is_loaded_first(tmp_path, monkeypatch):
    monkeypatch.setattr(systemd, "PENDING", str(tmp_path))
    units = systemd.Units([unit(enabled=True)], {"x.service": MISSING})
    done = [change.what for change in units.plan({"/etc/systemd/system/x.service"}, check_mode=False)]
    assert done == ["reload systemd's units", "enable x.service"]


def test_a_unit_that_is_not_there_is_an_error_but_not_in_check_mode(tmp_path, monkeypatch):
    monkeypatch.setattr(systemd, "PENDING", str(tmp_path))
    units = systemd.Units([unit(state="started")], {"x.service": MISSING})
    with pytest.raises(StateError, match=r"the node has no unit x\.service"):
        list(units.plan(set(), check_mode=False))
    assert [change.what for change in units.plan(set(), check_mode=True)] == ["start x.service"]
