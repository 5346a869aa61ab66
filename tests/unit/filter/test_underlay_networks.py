# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a node's peers may be: its own networks, and the inventory's addresses elsewhere."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.filter.cluster import cluster_nodes, underlay_networks


def host(*prefixes, hosts=None, lo=("127.0.0.1/8",), **variables):
    """A host's variables, after it was looked at: its node addresses are those of its interface eth1."""
    addresses = [prefix.partition("/")[0] for prefix in prefixes]
    interfaces = {"lo": {"addresses": list(lo)}, "eth0": {"addresses": ["203.0.113.7/22"]}}
    interfaces["eth1"] = {"addresses": list(prefixes)}
    facts = {"address": addresses[0], "addresses": addresses, "interfaces": interfaces, "hosts": hosts or {}}
    told = {"node_address": addresses[0], "node_addresses": addresses}
    return {"ansible_facts": {"podnet_node": facts}, **told, **variables}


def networks(hostvars, of="a"):
    return underlay_networks(cluster_nodes(sorted(hostvars), hostvars, ["a"]), hostvars, of)


def test_one_network_is_all_that_is_needed():
    hostvars = {"a": host("10.77.0.11/24"), "b": host("10.77.0.12/24")}
    assert networks(hostvars) == networks(hostvars, "b") == ["10.77.0.0/24"]


def test_both_ip_versions():
    hostvars = {"a": host("10.77.0.11/24", "fd77::11/64"), "b": host("10.77.0.12/24", "fd78::12/64")}
    assert networks(hostvars) == ["10.77.0.0/24", "fd77::/64", "fd78::12/128"]


def test_what_a_node_says_of_its_networks_counts_for_itself_alone():
    hostvars = {"a": host("10.77.0.11/24"), "b": host("10.77.0.12/0"), "c": host("10.78.0.13/1")}
    assert networks(hostvars) == ["10.77.0.0/24", "10.78.0.13/32"]


def test_addresses_without_a_network():
    """As some clouds give them: each node has exactly the others."""
    hostvars = {"a": host("10.0.0.2/32"), "b": host("10.0.0.3/32"), "c": host("10.1.0.2/32")}
    assert networks(hostvars, "b") == ["10.0.0.2/32", "10.0.0.3/32", "10.1.0.2/32"]


@pytest.mark.parametrize("known", [{"b": "10.78.0.12"}, {}])
def test_nodes_that_were_not_looked_at(known):
    """With --limit: by the inventory's address, else by the node's /etc/hosts, else not at all."""
    hostvars = {"a": host("10.77.0.11/24", hosts=known), "b": {}, "c": {"node_address": "10.79.0.13"}}
    assert networks(hostvars) == ["10.77.0.0/24", *(f"{each}/32" for each in known.values()), "10.79.0.13/32"]


def test_without_facts_the_addresses_are_left():
    hostvars = {"a": {"node_address": "10.77.0.11"}, "b": {"node_address": "10.77.0.12"}}
    assert networks(hostvars) == ["10.77.0.11/32", "10.77.0.12/32"]
