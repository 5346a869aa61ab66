# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the back ends want on a node, and what they say where it cannot be had."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.backend import ROUTE_PROTOCOL
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError
from overlays import entry, titles, want


def test_vxlan_wants_device_address_and_three_entries_a_peer():
    desired = want("vxlan", entry(1), entry(2))
    mac = desired.own[0].mac
    assert desired.device == "flannel.1" and desired.mtu == 8950
    assert desired.own[0].data == {"id": 1, "link": "eth1", "local": "10.77.0.11", "port": 8472, "learning": False}
    assert titles(desired) == [
        "link flannel.1",
        "address flannel.1 10.244.1.0/32",
        "neighbour flannel.1 10.244.2.0",
        "route 10.244.2.0/24",
        f"fdb flannel.1 {desired.peers['node2'][0].mac} 10.77.0.12",
    ]
    route = desired.peers["node2"][1]
    assert (route.gateway, route.onlink, route.protocol) == ("10.244.2.0", True, ROUTE_PROTOCOL)
    assert desired.peers["node2"][0].mac != mac


def test_direct_routing_spares_the_tunnel_on_the_same_network_only():
    desired = want("vxlan", entry(1), entry(2), entry(3, subnet=9), direct_routing=True)
    assert [thing.title() for thing in desired.peers["node2"]] == ["route 10.244.2.0/24"]
    assert desired.peers["node2"][0].gateway == "10.77.0.12" and desired.peers["node2"][0].dev == "eth1"
    assert len(desired.peers["node3"]) == 3


def test_direct_routing_of_one_ip_version_leaves_the_other_its_tunnel():
    own = entry(1, pod_cidrs=["10.244.1.0/24", "fd00:244:0:1::/64"])
    peer = entry(2, pod_cidrs=["10.244.2.0/24", "fd00:244:0:2::/64"])
    desired = want("vxlan", own, peer, networks=("10.244.0.0/16", "fd00:244::/48"), direct_routing=True)
    assert [thing.title().split()[0] for thing in desired.peers["node2"]] == ["route", "neighbour", "route", "fdb"]


def test_an_ipv6_underlay_costs_seventy_bytes():
    own = entry(1, address="fd77::11")
    desired = want("vxlan", own, entry(2, address="fd77::12"))
    assert desired.mtu == 8930
    assert desired.own[0].data["local"] == "fd77::11"


def test_a_peer_without_an_address_of_the_tunnels_ip_version_is_refused_alone():
    desired = want("vxlan", entry(1), entry(2, address="fd77::12"), entry(3))
    lacks = {"needed": "IPv4", "found": ["fd77::12"]}
    assert desired.refused == {"node2": Finding(Code.LEASE_OTHER_IP_VERSION, "node1", "node2", lacks)}
    assert set(desired.peers) == {"node3"}


@pytest.mark.parametrize(("kind", "mtu", "least", "most"), [("vxlan", 8951, 576, 8950), ("host-gw", 9001, 576, 9000)])
def test_an_mtu_that_does_not_fit_the_underlay_is_an_error(kind, mtu, least, most):
    with pytest.raises(ConfigError) as caught:
        want(kind, entry(1), mtu=mtu)
    assert f"backend.mtu: {mtu} does not fit eth1" in str(caught.value)
    assert f"from {least} to {most}" in str(caught.value)
    assert want(kind, entry(1), mtu=most).mtu == most


def test_ipv6_pods_need_1280_bytes():
    own = entry(1, pod_cidrs=["fd00:244:0:1::/64"])
    with pytest.raises(ConfigError):
        want("vxlan", own, networks=("fd00:244::/48",), mtu=1279)
    assert want("vxlan", own, networks=("fd00:244::/48",), mtu=1280).mtu == 1280


@pytest.mark.parametrize("value", ["yes", "true", 1, None])
def test_checksum_offload_is_true_false_or_auto(value):
    with pytest.raises(ConfigError, match=r'backend.checksum_offload: .* is not true, false or "auto"'):
        want("vxlan", entry(1), checksum_offload=value)
