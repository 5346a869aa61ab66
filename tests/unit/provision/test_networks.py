# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod and the service network, by themselves, to each other, and to the nodes."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.provision import networks

PODS, SERVICES = networks.PODS, networks.SERVICES
DUAL = {PODS: "10.244.0.0/16,fd00:244::/56", SERVICES: "10.96.0.0/12, fd00:96::/112"}


@pytest.fixture
def found(variables, three):
    """Code and subject of each finding with some variables changed."""

    def check(changed, nodes=three):
        return [(each.code, each.subject) for each in networks.check({**variables, **changed}, nodes)]

    return check


@pytest.mark.parametrize("changed", [{}, DUAL, {PODS: "fd00:244::/56", SERVICES: "fd00:96::/112"}])
def test_right_networks(found, changed):
    assert found(changed) == []


@pytest.mark.parametrize(
    ("changed", "code", "subject"),
    [
        ({PODS: "10.96.0.0/16"}, Code.NETWORK_OVERLAPS, PODS),
        ({PODS: "10.77.0.0/16"}, Code.NETWORK_CONTAINS_NODE, PODS),
        ({SERVICES: "10.77.0.0/24"}, Code.NETWORK_CONTAINS_NODE, SERVICES),
        ({PODS: "10.244.0.0/23"}, Code.NETWORK_TOO_SMALL, PODS),
        ({SERVICES: "172.0.0.0/9"}, Code.NETWORK_TOO_LARGE, SERVICES),
        ({PODS: "127.0.0.0/16"}, Code.NETWORK_NOT_ROUTABLE, PODS),
        ({PODS: "169.254.0.0/17"}, Code.NETWORK_NOT_ROUTABLE, PODS),
        ({SERVICES: "224.0.0.0/16"}, Code.NETWORK_NOT_ROUTABLE, SERVICES),
        ({**DUAL, PODS: "10.244.0.0/16,fe80::/56"}, Code.NETWORK_NOT_ROUTABLE, PODS),
        ({PODS: DUAL[PODS]}, Code.NETWORK_VERSIONS_DIFFER, PODS),
        ({SERVICES: DUAL[SERVICES]}, Code.NETWORK_VERSIONS_DIFFER, PODS),
        ({SERVICES: "fd00:96::/112"}, Code.NETWORK_VERSIONS_DIFFER, PODS),
        ({PODS: "10.244.1.0/16"}, Code.VARIABLE_INVALID, PODS),
        ({PODS: "ten"}, Code.VARIABLE_INVALID, PODS),
        ({PODS: 10}, Code.VARIABLE_INVALID, PODS),
        ({PODS: ""}, Code.VARIABLE_INVALID, PODS),
        ({PODS: "10.244.0.0/16,10.245.0.0/16"}, Code.VARIABLE_INVALID, PODS),
        ({SERVICES: "10.96.0.0"}, Code.VARIABLE_INVALID, SERVICES),
        ({"overlay_node_prefix": 12}, Code.VARIABLE_INVALID, "overlay_node_prefix"),
        ({"overlay_node_prefix": "24"}, Code.VARIABLE_INVALID, "overlay_node_prefix"),
        ({"overlay_node_prefix": True}, Code.VARIABLE_INVALID, "overlay_node_prefix"),
        ({**DUAL, "overlay_node_prefix_ipv6": 40}, Code.VARIABLE_INVALID, "overlay_node_prefix_ipv6"),
    ],
)
def test_a_wrong_network(found, changed, code, subject):
    assert found(changed) == [(code, subject)]


def test_host_bits_are_told_with_the_block(variables, three):
    (finding,) = networks.check({**variables, PODS: "10.244.1.0/16"}, three)
    assert finding.parameters == {"value": "'10.244.1.0/16'", "wanted": "10.244.0.0/16"}


def test_as_many_nodes_as_the_network_has_parts(found, nodes):
    of = nodes(*(f"10.77.0.{number}" for number in range(1, 5)))
    assert found({PODS: "10.244.0.0/22"}, of) == []


def test_many_nodes_in_a_network_are_one_finding(variables, three):
    (finding,) = networks.check({**variables, PODS: "10.77.0.0/16"}, three)
    assert finding.parameters == {"network": "10.77.0.0/16", "address": "10.77.0.11", "host": "host1", "count": 3}
