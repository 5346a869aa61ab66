# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetctl trace --state: what is not a node state file is refused, with what makes one."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli import podnetctl
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import SCHEMA


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("no JSON", "Expecting value"),
        ("[]", "not a node state"),
        (json.dumps({"schema": SCHEMA - 1, "node": "node1"}), f"schema {SCHEMA - 1}, expected {SCHEMA}"),
        (json.dumps({"schema": SCHEMA, "node": "node1"}), "missing: time, cni, overlay"),
    ],
)
def test_what_is_not_a_node_state_file_is_refused(tmp_path, capsys, content, reason):
    file = tmp_path / "node1.json"
    file.write_text(content, encoding="utf-8")
    assert podnetctl.main(["trace", "default/a1", "default/a2", "--state", str(file)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"podnetctl: trace: {file}: ") and reason in told
    assert "`podnetctl inspect --json` makes a node state file" in told
