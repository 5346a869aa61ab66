# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What podnetctl reports of the agent's files."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.cli import podnetctl
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code


def test_invalid_settings_are_a_finding(tmp_path):
    (tmp_path / "podnetd.json").write_text('{"source": "kubernetes", "kubernetes": {"colour": 1}}')
    (found,) = podnetctl._expiring(str(tmp_path))
    assert (found.code, found.subject) == (Code.AGENT_SETTINGS_INVALID, "podnetd")
    assert "kubernetes.colour: is not a setting" in found.parameters["error"]


def test_an_agent_that_reads_files_has_no_certificate(tmp_path):
    (tmp_path / "podnetd.json").write_text('{"source": "file"}')
    assert podnetctl._expiring(str(tmp_path)) == []
