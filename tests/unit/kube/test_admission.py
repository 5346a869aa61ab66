# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy for agents; a real API server holds them to it in tests/integration/agent/sources/test_real_server.py."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.kube import admission, annotations


def test_all_that_agents_write_is_allowed_and_an_administrator_s_word_is_not():
    rules = {each["message"]: each["expression"] for each in admission.validations("podnet:node:")}
    rule = rules["podnet agents may change only annotations that they write"]
    assert all(f'"{name}"' in rule for name in annotations.WRITTEN) and "overwrite" not in rule


def test_it_fails_closed_and_only_for_agents():
    (_path, policy), (_other, binding) = admission.objects("podnet:nodes", "podnet:node:", {"labels": {}})
    assert policy["spec"]["failurePolicy"] == "Fail" and binding["spec"]["validationActions"] == ["Deny"]
    (condition,) = policy["spec"]["matchConditions"]
    assert condition["expression"] == '"podnet:nodes" in request.userInfo.groups'
    assert binding["spec"]["policyName"] == policy["metadata"]["name"] == binding["metadata"]["name"]
