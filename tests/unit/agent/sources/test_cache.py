# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of all nodes on disk: a file that is not one of ours is none."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.sources.cache import PAUSE, Cache

ENTRIES = {"node1": 'v1 {"name": "node1"}', "node2": 'v2 {"name": "node2"}'}


def test_what_is_kept_is_read_again(tmp_path):
    path = str(tmp_path / "nodes.json")
    kept = Cache(path)
    assert kept.load() == {}
    assert kept.save(ENTRIES) and kept.reason == ""
    assert Cache(path).load() == ENTRIES
    assert Cache(path).due() < kept.due()  # the first writing is due at once, the next after PAUSE
    assert PAUSE > 1


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"nodes": []}', '{"nodes": {"node1": 7}}', json.dumps({"nodes": {"node1": ENTRIES["node2"]}})],
)
def test_a_file_that_is_of_no_use(tmp_path, content):
    (tmp_path / "nodes.json").write_text(content)
    assert Cache(str(tmp_path / "nodes.json")).load() == {}


def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "nodes.json")
    assert Cache(str(tmp_path / "nodes.json")).load() == {}


def test_what_cannot_be_kept_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    kept = Cache(str(tmp_path / "file/nodes.json"))
    assert not kept.save(ENTRIES)
    assert kept.reason.startswith(f"{tmp_path}/file/nodes.json: ")
