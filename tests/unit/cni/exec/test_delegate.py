# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which executable a foreign plugin is, and what its output means."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.exec import delegate
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.call import Call
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.environment import Environment
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.errors import CniError


@pytest.fixture
def plugin(tmp_path):
    """A function (script) that makes the executable ``other``; returns its directory."""

    def make(script: str, mode: int = 0o755) -> str:
        path = tmp_path / "other"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(mode)
        return str(tmp_path)

    return make


def call(directory: str, command: str) -> dict | None:
    variables = {"CNI_CONTAINERID": "c1", "CNI_NETNS": "/proc/self/ns/net", "CNI_IFNAME": "eth0", "CNI_PATH": directory}
    to = Call(Environment({"CNI_COMMAND": command, **variables}), {"cniVersion": "1.1.0", "name": "net"}, None)
    return delegate.call("other", command, to)


RESULT = {"cniVersion": "1.1.0", "ips": [{"address": "10.1.2.3/24"}]}


def test_it_gets_the_configuration_and_the_command(plugin, tmp_path):
    directory = plugin(f"cat > {tmp_path}/conf; echo $CNI_COMMAND > {tmp_path}/command; echo '{json.dumps(RESULT)}'")
    assert call(directory, "ADD")["ips"][0]["address"] == "10.1.2.3/24"
    assert json.loads((tmp_path / "conf").read_text()) == {"cniVersion": "1.1.0", "name": "net", "type": "other"}
    assert (tmp_path / "command").read_text() == "ADD\n"


def test_what_it_prints_without_a_result_to_give_does_not_matter(plugin):
    assert call(plugin("echo nonsense"), "DEL") is None


@pytest.mark.parametrize("script, code, words", [
    ("""echo '{"code": 11, "msg": "later", "details": "busy"}'; exit 1""", 11, "later (busy)"),
    ("exit 3", 999, "exit status 3"),
    ("echo nonsense; exit 1", 999, "nonsense"),
    ("echo nonsense", 999, "nonsense"),
    ("""echo '{"ips": 1}'""", 999, "malformed result"),
    ("kill -9 $$", 999, "exit status -9"),
])  # fmt: skip
def test_its_failures(plugin, script, code, words):
    with pytest.raises(CniError) as failed:
        call(plugin(script), "ADD")
    assert failed.value.code == code and words in str(failed.value)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\0b", "absent", "other"])
def test_what_is_no_plugin(plugin, name):
    directory = plugin("", mode=0o644)
    with pytest.raises(CniError) as refused:
        delegate.find(name, [directory, "/nowhere"])
    assert refused.value.code == 7


def test_a_directory_is_no_plugin(tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(CniError):
        delegate.find("other", [str(tmp_path)])
