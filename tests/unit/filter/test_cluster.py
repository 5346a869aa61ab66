# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a request is: the inventory's word, not the node's."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.podnet.cluster.plugins.filter.cluster import certificate_requests, cluster_nodes

HOSTVARS = {
    "a": {"node_name": "node1", "ansible_facts": {}, "asked": {"request": "A", "node": "node2"}},
    "b": {"ansible_facts": {"hostname": "node1"}, "asked": {"request": "B"}},
    "c": {"asked": {"request": None}},
    "d": {"asked": {"request": "D"}},
}


def test_requests_go_by_the_host_that_made_them():
    """What a result says of itself ("node") counts for nothing; hosts that left the play, or need none, are absent."""
    nodes = cluster_nodes(["a", "b", "c", "d"], HOSTVARS, ["a"])
    assert [node["name"] for node in nodes] == ["node1", "b", "c", "d"]
    assert certificate_requests(nodes, HOSTVARS, ["a", "b", "c"], "asked") == {"node1": "A", "b": "B"}


@pytest.mark.parametrize("name", ["node_name", "node_address", "node_addresses"])
def test_a_node_does_not_say_who_and_where_it_is(name):
    """A fact of that name would go before the inventory's variable."""
    with pytest.raises(AnsibleFilterError, match=f"host e reports a fact named {name}"):
        cluster_nodes(["e"], {"e": {name: "node1", "ansible_facts": {name: "node1"}}}, [])
