# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address blocks as disjoint ranges, against the addresses themselves."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.prefix import parse_prefix
from ansible_collections.podnet.cluster.plugins.module_utils.policy.model import Block
from ansible_collections.podnet.cluster.plugins.module_utils.policy.ranges import merged, of_blocks


@pytest.mark.parametrize("ranges, expected", [
    ([], []),
    ([(5, 9), (1, 3)], [(1, 3), (5, 9)]),
    ([(1, 3), (4, 9)], [(1, 9)]),
    ([(1, 9), (2, 3), (9, 12)], [(1, 12)]),
])  # fmt: skip
def test_the_same_numbers_in_as_few_ranges_as_can_be(ranges, expected):
    assert merged(ranges) == expected


@pytest.mark.parametrize("blocks", [
    {"10.0.0.0/29": []},
    {"10.0.0.0/29": ["10.0.0.0/30"]},
    {"10.0.0.0/29": ["10.0.0.4/30", "10.0.0.5/32"]},
    {"10.0.0.0/29": ["10.0.0.2/31", "10.0.0.7/32"], "10.0.0.8/30": []},
    {"10.0.0.0/30": ["10.0.0.0/30"], "10.0.0.2/31": []},
    {"10.0.0.0/30": [], "fd00::/126": []},
], ids=str)  # fmt: skip
def test_each_block_is_without_its_own_exceptions(blocks):
    wanted = set()
    for cidr, excepts in blocks.items():
        out = {address for each in excepts for address in ip_network(each)}
        wanted |= {int(address) for address in ip_network(cidr) if address.version == 4} - set(map(int, out))
    given = [Block(parse_prefix(cidr), tuple(map(parse_prefix, excepts))) for cidr, excepts in blocks.items()]
    found = of_blocks(given, 4)
    assert {number for first, last in found for number in range(first, last + 1)} == wanted
    assert found == merged(found)
