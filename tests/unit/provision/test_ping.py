# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who answers an echo request."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code


@pytest.mark.skipif(os.geteuid() != 0, reason="an echo request takes a raw socket, and that takes root")
def test_who_answers(netns):
    """A namespace of its own: 127.0.0.1 answers, and 192.0.2.1 (RFC 5737), to which there is no route, does not."""
    code = (
        "from ansible_collections.podnet.cluster.plugins.module_utils.provision.ping import silent;"
        "print(*(f'{each.node} {each.code} {each.subject}' for each in silent('n', ['127.0.0.1', '192.0.2.1', '::1'])))"
    )
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root / "build/collections")}
    assert netns.run(sys.executable, "-c", code, env=environment).stdout.strip() == f"n {Code.PEER_SILENT} 192.0.2.1"
