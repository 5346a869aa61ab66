# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller lets through to the control plane."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.action.agent_identities import _checked_requests
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.plugin_utils.identities import Refused


def test_a_request_of_a_node_that_was_not_asked_is_refused():
    with pytest.raises(Refused) as refused:
        _checked_requests({"nodes": ["node1"], "requests": {"node2": "a request"}})
    finding = refused.value.finding
    assert (finding.code, finding.subject) == (Code.REQUEST_NOT_ASKED, "node2")
