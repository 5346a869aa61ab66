# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the back end host-gw wants on a node, and what it says where it cannot be had."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from overlays import entry, titles, want


def test_host_gw_wants_a_route_and_no_device():
    desired = want("host-gw", entry(1), entry(2))
    assert desired.device is None and desired.mtu == 9000
    assert titles(desired) == ["route 10.244.2.0/24"]
    assert desired.peers["node2"][0].gateway == "10.77.0.12"


def test_host_gw_refuses_a_peer_behind_a_router():
    desired = want("host-gw", entry(1), entry(2, subnet=9), entry(3))
    assert list(desired.peers) == ["node3"]
    refused = desired.refused["node2"]
    assert (refused.code, refused.parameters["value"]) == (Code.LEASE_NOT_ON_LINK, "10.77.9.12")
    assert refused.parameters["networks"][0] == "10.77.0.0/24 on eth1"


def test_host_gw_needs_an_address_of_each_ip_version():
    networks = ("10.244.0.0/16", "fd00:244::/48")
    both = ["10.244.2.0/24", "fd00:244:0:2::/64"]
    desired = want("host-gw", entry(1), entry(2, pod_cidrs=both), networks=networks)
    lacks = {"needed": "IPv6", "found": ["10.77.0.12"]}
    assert desired.refused == {"node2": Finding(Code.LEASE_OTHER_IP_VERSION, "node1", "node2", lacks)}
    served = want(
        "host-gw", entry(1), entry(2, pod_cidrs=both, addresses=["10.77.0.12", "fd77::12"]), networks=networks
    )
    assert [route.gateway for route in served.peers["node2"]] == ["10.77.0.12", "fd77::12"]
