# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pod CIDRs for nodes: what holds for every network, prefix length, service network and history."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.podnet.cluster.plugins.filter.ipam import pod_cidrs
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.allocator import AllocationError, Allocator, assign
from hypothesis import given, settings
from hypothesis import strategies as st


@st.composite
def networks(draw, version: int):
    """A network, a node prefix length in it, and service networks that may lie in it."""
    width = 32 if version == 4 else 128
    length = draw(st.integers(8, width - 2))
    number = draw(st.integers(1, 2**length - 1)) << (width - length)
    base = "0.0.0.0" if version == 4 else "::"
    network = ip_network(f"{type(ip_network(base).network_address)(number)}/{length}")
    node = draw(st.integers(length, min(width, length + 5)))
    services = []
    for _service in range(draw(st.integers(0, 2))):
        longer = draw(st.integers(length, width))
        inside = draw(st.integers(0, 2 ** (longer - length) - 1)) << (width - longer)
        services.append(ip_network((int(network.network_address) + inside, longer)))
    return network, node, services


def capacity(network, node: int, services) -> int:
    """How many node CIDRs the services leave."""
    return sum(1 for block in network.subnets(new_prefix=node) if not any(block.overlaps(each) for each in services))


STEPS = st.lists(st.tuples(st.sampled_from(("give", "give", "give", "take")), st.integers(0, 20)), max_size=60)


@settings(max_examples=150)
@given(st.data(), STEPS, st.booleans())
def test_any_history(data, steps, dual):
    """Inside, disjoint, off the services, of the right length, the same when asked again; none is refused while there
    is room; and whoever hears the end only (occupied) agrees with who heard it all."""
    ranges = [data.draw(networks(version)) for version in ((4, 6) if dual else (data.draw(st.sampled_from((4, 6))),))]
    names = [str(network) for network, _node, _services in ranges]
    lengths = {network.version: node for network, node, _services in ranges}
    services = [each for _network, _node, found in ranges for each in found]
    room = min(capacity(network, node, services_of(network, services)) for network, node, _services in ranges)
    allocator = Allocator(names, lengths, [str(each) for each in services])
    held: dict[str, list[str]] = {}
    for verb, number in steps:
        node = f"node{number}"
        if verb == "take":
            allocator.release(node)
            held.pop(node, None)
            continue
        if node not in held and len(held) >= room:
            with pytest.raises(AllocationError, match="left"):
                allocator.allocate(node)
            continue
        given_out = allocator.allocate(node)
        assert held.setdefault(node, given_out) == given_out
        assert [ip_network(each).prefixlen for each in given_out] == [
            lengths[ip_network(each).version] for each in given_out
        ]
    blocks = [ip_network(each) for found in held.values() for each in found]
    for position, block in enumerate(blocks):
        assert any(block.subnet_of(network) for network, _node, _s in ranges if network.version == block.version)
        assert not any(block.overlaps(each) for each in services if each.version == block.version)
        assert not any(block.overlaps(each) for each in blocks[:position] if each.version == block.version)
    assert assign(held, names, lengths, [str(each) for each in services], held) == held


def services_of(network, services) -> list:
    return [each for each in services if each.version == network.version]


@settings(max_examples=100)
@given(st.lists(st.integers(0, 40), unique=True, max_size=30), st.lists(st.integers(0, 40), unique=True, max_size=30))
def test_who_stays_keeps_what_it_has(first, then):
    """From run to run, whoever comes and goes: a node that was there never moves, nobody gets a block twice."""
    before = assign([f"n{each}" for each in first], ["10.0.0.0/16"])
    after = assign([f"n{each}" for each in then], ["10.0.0.0/16"], occupied=before)
    assert {node: after[node] for node in before.keys() & after.keys()} == {
        node: before[node] for node in before.keys() & after.keys()
    }
    assert len({block for found in after.values() for block in found}) == len(after)


def test_the_api_s_word_stands_against_what_was_remembered():
    remembered = {"a": ["10.0.0.0/24"], "b": ["10.0.1.0/24"], "c": ["10.9.9.0/24"]}
    found = assign(["a", "b", "c"], ["10.0.0.0/16"], occupied={"b": ["10.0.0.0/24"]}, remembered=remembered)
    assert found["b"] == ["10.0.0.0/24"]
    assert found["a"] == ["10.0.1.0/24"] and found["c"] == ["10.0.2.0/24"]
    assert assign(["a"], ["10.0.0.0/16"], remembered={"a": ["10.0.7.0/24"]}) == {"a": ["10.0.7.0/24"]}


def test_taking_over_twice_is_taking_over_once():
    allocator = Allocator(["10.0.0.0/16"])
    allocator.occupy("a", ["10.0.3.0/24"])
    allocator.occupy("a", ["10.0.3.0/24"])
    assert allocator.allocate("a") == ["10.0.3.0/24"]


def test_the_filter_tells_the_same():
    assert pod_cidrs(["a", "b"], ["10.0.0.0/16", "fd00::/48"], 25, services=["10.0.0.0/25"]) == {
        "a": ["10.0.0.128/25", "fd00::/64"],
        "b": ["10.0.1.0/25", "fd00:0:0:1::/64"],
    }
    assert pod_cidrs(["a"], ["10.0.0.0/16"], occupied={"a": ["10.0.9.0/24"]}) == {"a": ["10.0.9.0/24"]}
    with pytest.raises(AnsibleFilterError, match="pod_cidrs: node prefix 8 does not fit"):
        pod_cidrs(["a"], ["10.0.0.0/16"], 8)
    with pytest.raises(AnsibleFilterError, match="pod_cidrs:"):
        pod_cidrs(["a"], ["10.0.0.0/16"], "x")
