# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selectors in words."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.policy import describe
from ansible_collections.podnet.cluster.plugins.module_utils.policy.selectors import parse


@pytest.mark.parametrize("selector, text", [
    ({}, ""),
    ({"matchLabels": {"a": "b"}}, "a=b"),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]}, "a in (x,y)"),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]}, "a notin (x)"),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "DoesNotExist"}]}, "a,!b"),
])  # fmt: skip
def test_a_selector_is_written_as_kubectl_takes_it(selector, text):
    assert describe.selector(parse(selector)) == text
