# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules conflist and library: what they write, what they say, and that they do nothing twice."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import install

PLUGINS = [{"type": "flannel", "delegate": {"hairpinMode": True}, "capabilities": {"portMappings": True}}]


@pytest.fixture
def place(tmp_path):
    """A runtime's directories, the plugins' with executables in it."""
    (tmp_path / "bin").mkdir()
    for name in ("flannel", "bridge", "host-local"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return {"directory": str(tmp_path / "net.d"), "bin_dirs": [str(tmp_path / "bin")]}


def test_written_once(run_module, place):
    path = os.path.join(place["directory"], "10-podnet.conflist")
    planned = run_module(None, "conflist", check=True, plugins=PLUGINS, **place)
    assert planned["changed"]
    assert not os.path.exists(path)
    done = run_module(None, "conflist", plugins=PLUGINS, **place)
    assert done["diff"] == planned["diff"]
    with open(path) as file:
        text = file.read()
    assert json.loads(text) == {"cniVersion": "1.0.0", "name": "podnet", "plugins": PLUGINS}
    assert done["diff"][0]["after"] == text
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert not run_module(None, "conflist", plugins=PLUGINS, **place)["changed"]
    assert run_module(None, "conflist", plugins=PLUGINS, cni_version="1.1.0", **place)["changed"]
    assert os.listdir(place["directory"]) == ["10-podnet.conflist"]


def test_removed_once_and_nothing_else(run_module, place):
    run_module(None, "conflist", plugins=PLUGINS, **place)
    other = os.path.join(place["directory"], "87-podman.conflist")
    with open(other, "w") as file:
        file.write("{}")
    del place["bin_dirs"]
    assert run_module(None, "conflist", state="absent", check=True, **place)["changed"]
    assert run_module(None, "conflist", state="absent", **place)["changed"]
    assert not run_module(None, "conflist", state="absent", **place)["changed"]
    assert os.listdir(place["directory"]) == ["87-podman.conflist"]


def test_foreign_configurations_are_reported(run_module, place):
    os.makedirs(place["directory"])
    for name, text in (
        ("05-bridge.conf", '{"cniVersion": "0.3.1", "name": "b", "type": "bridge"}'),
        ("99-bad.conflist", '{"name": "x"}'),
        ("01-notes.txt", "not one"),
    ):
        with open(os.path.join(place["directory"], name), "w") as file:
            file.write(text)
    result = run_module(None, "conflist", plugins=PLUGINS, **place)
    assert [os.path.basename(path) for path in result["before_ours"]] == ["05-bridge.conf"]
    ((path, reason),) = result["invalid"].items()
    assert os.path.basename(path) == "99-bad.conflist"
    assert "plugins or type is required" in reason
    assert len(os.listdir(place["directory"])) == 4


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"plugins": []}, "plugins must be a list that is not empty"),
        ({"plugins": [{"typo": "bridge"}]}, "plugins[0]: type"),
        ({"plugins": [{"type": "a/b"}]}, "plugins[0]: type"),
        ({"plugins": [{"type": "flannel", "capabilities": {"portMappings": "yes"}}]}, "capabilities"),
        ({"plugins": [{"type": "calico"}]}, "calico not found"),
        ({"network": "no spaces"}, "name must be"),
        ({"file": "podnet.txt"}, "ends in .conflist"),
        ({"file": "../x.conflist"}, "ends in .conflist"),
    ],
)
def test_refused_before_anything_is_written(run_module, place, changed, word):
    result = run_module(None, "conflist", fails=True, **{"plugins": PLUGINS, **place, **changed})
    assert word in result["msg"]
    assert not os.path.exists(place["directory"])


def test_check_mode_on_a_fresh_node(run_module, place):
    """The plugins aren't there yet: that is no failure of a plan."""
    place["bin_dirs"] = ["/none"]
    assert run_module(None, "conflist", check=True, plugins=PLUGINS, **place)["changed"]


@pytest.fixture
def library(run_module, tmp_path):
    """The module node_runtime as its action plugin calls it, with an archive on the node."""
    files = install.read_tree(os.path.dirname(install.__file__))
    archive = tmp_path / "library.tar"
    archive.write_bytes(install.pack(files))
    given = {
        "root": str(tmp_path / "podnet"),
        "version": install.version_name(install.digest(files)),
        "archive": str(archive),
    }

    def run(**more):
        return run_module(None, "node_runtime", **{**given, **more})

    return run


def test_library_installed_once(library, tmp_path):
    planned = library(check=True)
    assert planned["changed"]
    assert not (tmp_path / "podnet").exists()
    done = library()
    assert (done["changed"], done["diff"]) == (True, planned["diff"])
    assert os.access(os.path.join(done["bin_dir"], "bridge"), os.X_OK)
    assert not library()["changed"]
    assert library(state="absent", check=True)["changed"]
    assert library(state="absent")["changed"]
    assert not (tmp_path / "podnet").exists()
    assert not library(state="absent")["changed"]


def test_library_refuses(library, tmp_path):
    assert "is not installed" in library(interpreter="/none/python3", fails=True)["msg"]
    (tmp_path / "library.tar").write_bytes(install.pack({"cni/x.py": b""}))
    assert "does not hold version" in library(fails=True)["msg"]
    (tmp_path / "library.tar").write_bytes(b"no archive")
    assert library(fails=True)["failed"]
    assert not (tmp_path / "podnet").exists()
