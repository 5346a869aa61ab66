# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all back ends share: the pods' MTU, routes without a tunnel, a peer's address of an IP version."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.prefix import parse_prefix
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.backend import endpoint, pods_mtu, routed
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import Backend, ConfigError
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.lease import parse
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.underlay import Underlay

DUAL = parse({
    "name": "node2", "address": "10.77.0.12", "addresses": ["10.77.0.12", "fd00:77::12"],
    "pod_cidrs": ["10.244.2.0/24", "fd00:244:0:2::/64"],
})  # fmt: skip
OLD = parse({"name": "node3", "address": "10.77.0.13", "pod_cidrs": ["10.244.3.0/24"]})


def underlay(mtu: int = 1500, network: str = "10.77.0.0/24") -> Underlay:
    return Underlay("eth0", mtu, ((parse_prefix(network), "eth0"),))


def test_a_peers_address_of_each_ip_version():
    assert [endpoint(DUAL, version) for version in (4, 6)] == ["10.77.0.12", "fd00:77::12"]
    assert [endpoint(OLD, version) for version in (4, 6)] == ["10.77.0.13", None]


def test_a_route_needs_a_network_that_connects_the_two():
    route = routed(DUAL.pod_cidrs[0], DUAL, underlay())
    assert (route.dst, route.dev, route.gateway) == ("10.244.2.0/24", "eth0", "10.77.0.12")
    assert routed(DUAL.pod_cidrs[0], DUAL, underlay(network="10.78.0.0/24")) is None
    assert routed(parse_prefix("fd00:244:0:3::/64"), OLD, underlay()) is None


@pytest.mark.parametrize("mtu, lease, expected", [(None, DUAL, 1450), (1400, DUAL, 1400), (576, OLD, 576)])
def test_the_mtu_that_is_given_or_the_largest(mtu, lease, expected):
    assert pods_mtu(Backend(mtu=mtu), lease, underlay(), 50) == expected


@pytest.mark.parametrize("mtu, lease, under, words", [
    (1451, DUAL, 1500, "from 1280 to 1450"),
    (1279, DUAL, 1500, "from 1280 to 1450"),
    (None, DUAL, 1300, "none fits: pods need 1280"),
    (None, OLD, 600, "none fits: pods need 576"),
])  # fmt: skip
def test_an_mtu_that_cannot_work(mtu, lease, under, words):
    with pytest.raises(ConfigError, match=words):
        pods_mtu(Backend(mtu=mtu), lease, underlay(under), 50)
