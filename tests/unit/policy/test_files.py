# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Program on disk: read as it was written, or not at all."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.policy import files
from policies.cluster import policy
from policies.events import compilers, of_case


@pytest.fixture
def program():
    clients = policy("clients", "x", podSelector={"matchLabels": {"pod": "a"}}, ingress=[
        {"from": [{"podSelector": {"matchLabels": {"pod": "b"}}}, {"namespaceSelector": {}}],
         "ports": [{"port": 81}, {"port": "http"}]},
        {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]},
        {},
    ])  # fmt: skip
    return compilers(of_case([clients]))["node1"].program


def test_all_of_it_comes_back(tmp_path, program):
    path = tmp_path / "program"
    files.save(str(path), program)
    again = files.load(str(path))
    assert again is not None and any(source.rules for source in again.sources.values())
    sets, were = ({name: (one.kind, one.members) for name, one in each.sets.items()} for each in (again, program))
    assert sets == were
    for name in ("chains", "locals", "sources"):
        assert getattr(again, name) == getattr(program, name), name
    assert path.stat().st_mode & 0o777 == files.MODE


def test_a_file_that_cannot_be_read_counts_as_none(tmp_path, program):
    path = tmp_path / "program"
    assert files.load(str(path)) is None
    files.save(str(path), program)
    whole = json.loads(path.read_text())
    rule = next(iter(whole["sources"].values()))["rules"][0]
    for spoil in ({"version": files.VERSION - 1}, {"sets": 1}, {"sources": {"x": {**rule}}}):
        path.write_text(json.dumps({**whole, **spoil}))
        assert files.load(str(path)) is None, spoil
    for text in ("", "{", "[]", "{}"):
        path.write_text(text)
        assert files.load(str(path)) is None, text
