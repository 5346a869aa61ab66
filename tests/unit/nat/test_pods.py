# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elements of single pods: whose they are, and what a port mapping has in which maps."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.nat import pods
from ansible_collections.podnet.cluster.plugins.module_utils.nat.pods import PortMapping


def test_a_comment_names_its_owner():
    comment = pods.owner_comment("podnet", "c1", "eth0")
    assert comment == "c1 eth0 podnet"
    assert pods.owner_of(comment) == ("podnet", "c1", "eth0")
    assert pods.is_of_container(comment, "c1") and not pods.is_of_container(comment, "c")
    assert pods.is_of_network(comment, "podnet") and not pods.is_of_network(comment, "net")


def test_long_names_fit_and_are_told_apart_but_not_told():
    one, two = (pods.owner_comment("n" * 40 + end, "c" * 70 + end, "fifteen-letters") for end in "ab")
    assert one != two and len(one) <= 128  # what nft shows
    assert pods.owner_of(one) is None
    assert pods.is_of_container(one, "c" * 70 + "a") and not pods.is_of_container(one, "c" * 70 + "b")


@pytest.mark.parametrize(
    ("host_ip", "more", "maps"),
    [
        ("", {}, ["hostports4"]),
        ("10.0.0.1", {}, ["hostports_at4"]),
        ("", {"snat": True}, ["hostports4", "hostport_hairpin4"]),
        ("", {"snat": True, "masq_all": True}, ["hostports4", "hostport_hairpin4", "hostport_masq_all4"]),
        ("", {"masq_all": True}, ["hostports4"]),
        ("10.0.0.1", {"conditions": (("source", False, "10.0.0.0/8"),)}, ["hostports_at4", "hostport_conditions_at4"]),
    ],
)
def test_where_a_mapping_has_its_elements(host_ip, more, maps):
    mapping = PortMapping("tcp", 8080, host_ip, "10.244.1.2", 80, subnet="10.244.1.0/24", **more)
    elements = mapping.elements()
    assert [name for name, _key, _data in elements] == maps
    assert pods.describe(*elements[0][:2]) == f"tcp 8080 ({maps[0]})"
    led_to = {data for _name, _key, data in elements if isinstance(data, str)}
    assert led_to == {chain.name for chain in pods.mapping_chains([mapping])}


def test_ipv6_has_maps_of_its_own():
    mapping = PortMapping("udp", 53, "", "fd00::2", 5353)
    ((name, key, _data),) = mapping.elements()
    assert (name, pods.port_of(name, key)) == ("hostports6", (17, 53))


def test_mappings_that_lead_alike_share_a_chain():
    ports = [PortMapping("tcp", port, "", "10.244.1.2", 80, subnet="10.244.1.0/24", snat=True) for port in (1, 2)]
    assert len(pods.mapping_chains(ports)) == 1
