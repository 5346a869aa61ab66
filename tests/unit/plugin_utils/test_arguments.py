# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action without a module's code takes what its module's documentation says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleError
from ansible_collections.podnet.cluster.plugins.action import preflight_nodes, preflight_removal
from ansible_collections.podnet.cluster.plugins.plugin_utils.arguments import arguments


def taken(plugin, **given):
    action = object.__new__(plugin.ActionModule)
    action._task = SimpleNamespace(args=given)
    return arguments(action)


def test_defaults_and_types_are_those_of_the_documentation():
    assert taken(preflight_removal, hosts="a,b") == {
        "hosts": ["a", "b"], "control_plane": [], "stay": [], "confirm": "",
    }  # fmt: skip


def test_options_of_a_fragment_and_those_within_an_option():
    (node,) = taken(preflight_nodes, found=[], nodes=[{"host": "a"}])["nodes"]
    assert node == {
        "host": "a", "name": None, "address": None,
        "control_plane": False, "runtime": "containerd", "cni_version": None,
    }  # fmt: skip


@pytest.mark.parametrize("given, words", [
    ({}, "missing required arguments: hosts"),
    ({"hosts": ["a"], "colour": "red"}, "colour"),
    ({"hosts": {"a": 1}}, "hosts"),
])  # fmt: skip
def test_others_are_refused(given, words):
    with pytest.raises(AnsibleError, match=words):
        taken(preflight_removal, **given)
