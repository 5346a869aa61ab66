# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's file source: a wrong file is refused by its name, a wrong peer by its own."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.sources.source import FileSource, texts
from ansible_collections.podnet.cluster.plugins.module_utils.cli import podnetctl
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import config
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError

CONFIG = {"node_name": "node1", "networks": ["10.244.0.0/16"]}
LEASES = [
    {"name": "node1", "address": "10.77.0.11", "pod_cidrs": ["10.244.1.0/24"]},
    {"name": "node2", "address": "10.77.0.12", "pod_cidrs": ["10.244.2.0/24"]},
    {"name": "node3", "address": "nowhere", "pod_cidrs": ["10.244.3.0/24"]},
]


@pytest.fixture
def directory(tmp_path):
    """A directory with both files as the role writes them."""
    overlay, leases = texts(config.parse(CONFIG), LEASES)
    (tmp_path / "overlay.json").write_text(overlay)
    (tmp_path / "leases.json").write_text(leases)
    return tmp_path


def test_what_is_written_is_read_back(directory):
    parsed, leases = FileSource(str(directory)).read()
    assert parsed == config.parse(CONFIG)
    assert leases.own.name == "node1" and [peer.name for peer in leases.peers] == ["node2"]
    assert "'nowhere' is not an IP address" in leases.refused["node3"].parameters["error"]


@pytest.mark.parametrize("name", ["overlay.json", "leases.json"])
@pytest.mark.parametrize("garbage", [b"", b"{", b"\xff\xfe", b"null", b"[]", b'{"x": 1}', b"[" * 100_000, b"1" * 5000])
def test_a_garbage_file_is_refused_by_name(directory, name, garbage):
    (directory / name).write_bytes(garbage)
    with pytest.raises(ConfigError) as caught:
        FileSource(str(directory)).read()
    assert str(caught.value).startswith(str(directory / name))


@pytest.mark.parametrize("name", ["overlay.json", "leases.json"])
def test_a_missing_file_is_told_with_who_writes_it(directory, name):
    (directory / name).unlink()
    with pytest.raises(ConfigError) as caught:
        FileSource(str(directory)).read()
    assert f"{directory / name}: file does not exist; the overlay role writes it" in str(caught.value)


@pytest.mark.parametrize("verb", ["apply", "plan", "status"])
def test_the_command_says_what_is_wrong_and_shows_no_traceback(directory, capsys, verb):
    (directory / "overlay.json").write_text(json.dumps({**CONFIG, "backend": {"type": "carrier-pigeon"}}))
    assert podnetctl.main(["--config", str(directory), verb]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        f"podnetctl: {directory}/overlay.json: backend.type: 'carrier-pigeon' is not one of vxlan, host-gw, wireguard\n"
    )
