# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pod CIDRs for nodes, by the rules of kube-controller-manager's range allocator."""

from __future__ import annotations

import json
import random
from ipaddress import ip_network

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.allocator import AllocationError, Allocator, assign
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.nodes import Known, from_leases


def test_nodes_get_the_next_free_block_in_their_order():
    found = assign(["b", "a", "c"], ["10.244.0.0/16"])
    assert found == {"b": ["10.244.0.0/24"], "a": ["10.244.1.0/24"], "c": ["10.244.2.0/24"]}


def test_the_same_calls_give_the_same_blocks():
    nodes = [f"node{number}" for number in range(50)]
    assert assign(nodes, ["10.0.0.0/8", "fd00::/48"]) == assign(nodes, ["10.0.0.0/8", "fd00::/48"], {4: 24, 6: 64})


def test_dual_stack_gives_one_of_each_in_the_networks_order():
    assert assign(["a"], ["fd00::/48", "10.244.0.0/16"], {6: 56}) == {"a": ["fd00::/56", "10.244.0.0/24"]}


def test_services_are_never_given_to_nodes():
    found = assign([str(number) for number in range(14)], ["10.0.0.0/20"], services=["10.0.0.0/24", "10.0.5.64/26"])
    blocks = {cidr for cidrs in found.values() for cidr in cidrs}
    assert blocks == {f"10.0.{number}.0/24" for number in range(16) if number not in (0, 5)}
    with pytest.raises(AllocationError):
        assign([str(number) for number in range(15)], ["10.0.0.0/20"], services=["10.0.0.0/24", "10.0.5.64/26"])


def test_what_nodes_have_is_kept_and_given_to_no_other():
    occupied = {"b": ["10.244.0.0/24"], "elsewhere": ["10.244.1.0/24"]}
    assert assign(["a", "b"], ["10.244.0.0/16"], occupied=occupied) == {"a": ["10.244.2.0/24"], "b": ["10.244.0.0/24"]}


def test_a_removed_node_moves_no_other():
    first = assign(["a", "b", "c"], ["10.244.0.0/16"])
    assert assign(["a", "c"], ["10.244.0.0/16"], occupied=first)["c"] == first["c"]


def test_a_node_with_one_ip_version_gets_the_other():
    found = assign(["a"], ["10.244.0.0/16", "fd00::/48"], occupied={"a": ["10.244.7.0/24"]})
    assert found == {"a": ["10.244.7.0/24", "fd00::/64"]}


def test_released_blocks_are_used_again_but_not_at_once():
    allocator = Allocator(["10.0.0.0/22"])
    for node in "abcd":
        allocator.allocate(node)
    allocator.release("b")
    allocator.release("b")
    assert allocator.allocate("e") == ["10.0.1.0/24"]
    allocator.release("a")
    allocator.release("c")
    assert allocator.allocate("f") == ["10.0.2.0/24"]
    assert allocator.allocate("g") == ["10.0.0.0/24"]


def test_an_exhausted_network_says_so_and_takes_nothing_of_the_other():
    allocator = Allocator(["fd00::/48", "10.0.0.0/24"])
    allocator.allocate("a")
    with pytest.raises(AllocationError) as caught:
        allocator.allocate("b")
    assert "b: the pod network 10.0.0.0/24 has no /24 left: all 1 are taken" in str(caught.value)
    assert "b" not in allocator.nodes
    allocator.release("a")
    assert allocator.allocate("c") == ["fd00:0:0:1::/64", "10.0.0.0/24"]


def test_asking_twice_gives_the_same():
    allocator = Allocator(["10.0.0.0/16"])
    assert allocator.allocate("a") == allocator.allocate("a")


def test_an_occupied_block_of_another_size_takes_all_it_touches():
    found = assign(["a", "b"], ["10.0.0.0/21"], occupied={"x": ["10.0.0.0/23"], "y": ["10.0.3.128/25"]})
    assert found == {"a": ["10.0.2.0/24"], "b": ["10.0.4.0/24"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"networks": []}, "give one for each IP version"),
        ({"networks": ["10.0.0.0/16", "10.1.0.0/16"]}, "give one for each IP version"),
        ({"networks": ["10.0.0.1/16"]}, "the pod network: '10.0.0.1/16' has host bits set"),
        ({"networks": ["10.0.0.0/16"], "node_prefixes": {4: 15}}, "node prefix 15 does not fit the pod network"),
        ({"networks": ["10.0.0.0/16"], "node_prefixes": {4: 33}}, "give one from 16 to 32"),
        ({"networks": ["fd00::/40"]}, "node prefix 64 does not fit the pod network fd00::/40: give one from 40 to 56"),
        ({"networks": ["10.0.0.0/16"], "services": ["x"]}, "the service network: 'x'"),
        ({"networks": ["10.0.0.0/16"], "occupied": {"z": ["10.9.0.0/24"]}}, "z's pod CIDR 10.9.0.0/24 is not inside"),
        (
            {"networks": ["10.0.0.0/16"], "occupied": {"y": ["10.0.1.0/24"], "z": ["10.0.1.0/24"]}},
            "z's pod CIDR 10.0.1.0/24 overlaps y's",
        ),
        (
            {"networks": ["10.0.0.0/16"], "occupied": {"z": ["10.0.0.0/24"]}, "services": ["10.0.0.0/24"]},
            "overlaps the service network's",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(arguments, words):
    with pytest.raises(AllocationError) as caught:
        assign(["a"], **arguments)
    assert words in str(caught.value)


def test_any_history_keeps_blocks_apart_inside_and_off_the_services():
    chance = random.Random(7)
    network, services = ip_network("10.0.0.0/18"), ip_network("10.0.8.0/22")
    allocator = Allocator([str(network)], {4: 24}, [str(services)])
    for _step in range(600):
        node = f"n{chance.randrange(70)}"
        if chance.random() < 0.4:
            allocator.release(node)
        else:
            try:
                allocator.allocate(node)
            except AllocationError:
                assert len(allocator.nodes) == 60
        blocks = [ip_network(cidr) for cidrs in allocator.nodes.values() for cidr in cidrs]
        assert len(set(blocks)) == len(allocator.nodes)
        assert all(block.subnet_of(network) and not block.overlaps(services) for block in blocks)


def node(name, *cidrs):
    return {"metadata": {"name": name}, "spec": {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {}}


def test_leases_of_before_are_read_where_they_are(tmp_path):
    path = tmp_path / "leases.json"
    assert from_leases(str(path)) == {}
    path.write_text("{")
    assert from_leases(str(path)) == {}
    path.write_text(json.dumps({"leases": [{"name": "a", "pod_cidrs": ["10.0.0.0/24"]}]}))
    assert from_leases(str(path)) == {"a": Known(["10.0.0.0/24"], None)}
