# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What podnetd says of itself becomes findings of the node, whatever version it is of."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import AgentState
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import node

KNOWN = {"code": "overlay.invalid", "node": "node1", "subject": "node1", "parameters": {"error": "no eth0"}}


def unready(reason):
    return Finding(Code.AGENT_NOT_READY, "node1", "podnetd", {"reason": reason})


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (None, AgentState()),
        ({}, AgentState(answers=True)),
        ({"not_ready": []}, AgentState(answers=True)),
        (
            {"not_ready": [{**KNOWN, "text": "…", "fix": "…"}]},
            AgentState(answers=True, not_ready=[Finding(Code.OVERLAY_INVALID, "node1", "node1", {"error": "no eth0"})]),
        ),
        (
            {"not_ready": [{**KNOWN, "code": "of.another-version"}]},
            AgentState(answers=True, not_ready=[unready(str({**KNOWN, "code": "of.another-version"}))]),
        ),
        ({"not_ready": ["in words"]}, AgentState(answers=True, not_ready=[unready("in words")])),
    ],
)
def test_its_reasons(monkeypatch, tmp_path, status, state):
    monkeypatch.setattr(node.client, "ask", lambda _run, _path: status)
    assert node._agent(node.Places(root=str(tmp_path)), "node1") == state


def test_it_is_expected_where_its_unit_is(monkeypatch, tmp_path):
    monkeypatch.setattr(node.client, "ask", lambda _run, _path: None)
    unit = tmp_path / node.UNIT.lstrip("/")
    unit.parent.mkdir(parents=True)
    unit.touch()
    assert node._agent(node.Places(root=str(tmp_path)), "node1") == AgentState(expected=True)
