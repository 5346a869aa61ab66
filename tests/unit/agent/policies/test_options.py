# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings for NetworkPolicies."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.policies.options import Options, parse
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError


def test_each_has_its_default():
    assert parse({}) == Options("cut", "/var/lib/podnet/policy")
    assert parse({"connections": "keep", "directory": "/srv"}) == Options("keep", "/srv")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([], "policy: [] is not an object"),
        ({"colour": 1}, "policy.colour: is not a setting"),
        ({"connections": ["cut"]}, "policy.connections: ['cut'] is not cut or keep"),
        ({"directory": "here"}, "policy.directory: 'here' is not an absolute path"),
        ({"directory": 7}, "policy.directory: 7 is not an absolute path"),
    ],
)
def test_what_is_invalid_is_named(data, reason):
    with pytest.raises(ConfigError) as caught:
        parse(data)
    assert str(caught.value).startswith(reason)
