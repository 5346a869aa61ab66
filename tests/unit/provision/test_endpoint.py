# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API's endpoint: what can be that of one control plane, and of several."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.provision import endpoint
from ansible_collections.podnet.cluster.plugins.module_utils.provision.inventory import Node

NODES = [Node("a", "a", "10.0.0.1", True), Node("b", "b", "fd00::2", True), Node("c", "c", "10.0.0.3", False)]


def codes(value, control_planes, is_balanced=False, port=6443):
    nodes = [node for node in NODES if not node.control_plane][:1] + NODES[:control_planes]
    given = {"control_plane_balancer": is_balanced, "control_plane_api_port": port, endpoint.ENDPOINT: value}
    return [each.code for each in endpoint.check(given, nodes)]


@pytest.mark.parametrize("value", ["10.0.0.1:6443", "[fd00::2]:6443", "a:6443", "api.example.org:443"])
def test_one_control_plane_may_have_any(value):
    assert codes(value, 1) == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("api.example.org:443", []),
        ("10.0.0.3:6443", []),
        ("10.0.0.1:6443", [Code.ENDPOINT_OF_ONE_NODE]),
        ("[fd00:0::2]:6443", [Code.ENDPOINT_OF_ONE_NODE]),
        ("b:6443", [Code.ENDPOINT_OF_ONE_NODE]),
    ],
)
def test_several_have_none_that_is_one_s(value, found):
    assert codes(value, 2) == found


@pytest.mark.parametrize(
    "value", [None, "", "api.example.org", "api.example.org:", ":6443", "fd00::2:6443", "https://a:1", "a:0", "a:70000"]
)
def test_what_is_no_endpoint(value):
    assert codes(value, 1) == codes(value, 2, True) == [Code.VARIABLE_INVALID]


def test_the_nodes_load_balancers_want_a_name_and_a_port_of_their_own():
    assert codes("api.podnet.internal:6444", 2, True) == codes("a:6444", 2, True) == []
    assert codes("10.0.0.9:6444", 1, True) == [Code.VARIABLE_INVALID]
    assert codes("api.podnet.internal:6443", 1, True) == [Code.ENDPOINT_PORT_TAKEN]
    assert codes("api.podnet.internal:6443", 1, True, port=7443) == []
