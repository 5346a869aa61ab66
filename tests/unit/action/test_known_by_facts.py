# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node is not asked for what its facts say already: node_state, node_runtime, artifacts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.podnet.cluster.plugins.action import artifacts, node_runtime, node_state
from ansible_collections.podnet.cluster.plugins.module_utils import install
from ansible_collections.podnet.cluster.plugins.module_utils.provision import archive

FILES = [{"path": "/etc/x", "content": "x"}]


@pytest.fixture
def act(monkeypatch):
    """A function (action plugin, arguments) that tells its result, and the arguments of the modules that it ran."""
    asked: list[dict] = []

    def execute(self, module_name=None, module_args=None, task_vars=None):
        asked.append(module_args)
        return {"changed": False, "asked": True}

    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    monkeypatch.setattr(ActionBase, "_execute_module", execute)

    def run(plugin, arguments):
        asked.clear()
        action = object.__new__(plugin.ActionModule)
        action._task = SimpleNamespace(args=arguments, check_mode=False)
        action._connection = SimpleNamespace(_shell=SimpleNamespace(join_path=lambda *words: "/".join(words)))
        return action.run(), list(asked)

    return run


def test_a_state_in_which_the_node_is(act):
    _result, (module,) = act(node_state, {"name": "role", "files": FILES, "facts": {}})
    facts = {"in_sync": {"role": module["digest"]}}
    assert "facts" not in module
    assert act(node_state, {"name": "role", "files": FILES, "facts": facts}) == ({"changed": False, "changes": []}, [])


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "role", "files": [{**FILES[0], "content": "y"}]},
        {"name": "other", "files": FILES},
        {"files": FILES},
    ],
    ids=["another state", "another name", "no name"],
)
def test_a_state_in_which_it_is_not(act, arguments):
    _result, (module,) = act(node_state, {"name": "role", "files": FILES})
    facts = {"in_sync": {"role": module["digest"]}}
    assert len(act(node_state, {**arguments, "facts": facts})[1]) == 1


def test_another_library_may_do_more(act, monkeypatch):
    _result, (module,) = act(node_state, {"name": "role", "files": FILES})
    monkeypatch.setattr(install, "digest", lambda files, interpreter: "another")
    facts = {"in_sync": {"role": module["digest"]}}
    assert len(act(node_state, {"name": "role", "files": FILES, "facts": facts})[1]) == 1


def test_the_library_that_the_node_has(act):
    result, (module,) = act(node_runtime, {})
    assert result["asked"]
    result, asked = act(node_runtime, {"installed": module["version"]})
    assert asked == [] and result["version"] == module["version"] and not result["changed"]
    for other in ({"installed": "0.1.0-x"}, {"installed": module["version"], "root": "/srv/podnet"}):
        assert len(act(node_runtime, other)[1]) == 1


def test_the_artifacts_that_the_node_has(act):
    wanted = {
        "executables": [{"path": "/usr/bin/x", "file": "/srv/x", "sha256": "1"}],
        "images": [{"name": "x:1", "file": "/srv/x.tar", "sha256": "2"}],
    }
    has = {"executables": {"/usr/bin/x": "1"}, "images": ["x:1", "y:1"]}
    result, asked = act(artifacts, {**wanted, "facts": has})
    assert asked == [] and result["images"] == ["x:1"] and not result["changed"]
    for facts in ({}, {**has, "executables": {"/usr/bin/x": "3"}}, {**has, "images": ["y:1"]}):
        assert len(act(artifacts, {**wanted, "facts": facts})[1]) == 1


def test_the_archive_that_the_node_was_installed_from(act):
    """An archive on the node is known by what node_facts read of it, if the same keys have signed it."""
    sums = {"manifest.json": "0", "bin/kubelet": "1", "bin/kubeadm": "2", "bin/kubectl": "3", "images/x.tar": "4"}
    content = {"directory": "/srv/k", "release": "1.37.2", "sums": sums, "images": {"x:1": "images/x.tar"}}
    has = {
        "archive": {"content": content, "keyring": "/k.asc"},
        "executables": {f"/usr/bin/{name}": sums[f"bin/{name}"] for name in archive.BINARIES},
        "images": ["x:1"],
    }
    wanted = {"archive": "/srv/k", "keyring": "/k.asc", "remote_src": True}
    result, asked = act(artifacts, {**wanted, "facts": has})
    assert asked == [] and result["images"] == ["x:1"] and not result["changed"]
    for facts in ({**has, "archive": None}, {**has, "images": []}, {**has, "executables": {"/usr/bin/kubelet": "1"}}):
        assert act(artifacts, {**wanted, "facts": facts})[1] == [wanted]
    for other in ({"archive": "/srv/other"}, {"keyring": "/other.asc"}, {"keyring": ""}):
        assert act(artifacts, {**wanted, **other, "facts": has})[1] == [{**wanted, **other}]
