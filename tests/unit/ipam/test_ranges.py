# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranges by host-local's rules."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.ipam import ip
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.ranges import parse_sets
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("given_range", "shown", "gateway"),
    [
        ({"subnet": "10.1.2.0/24"}, "10.1.2.1-10.1.2.254", "10.1.2.1"),
        ({"subnet": "10.1.2.0/30"}, "10.1.2.1-10.1.2.2", "10.1.2.1"),
        ({"subnet": "fd00::/126"}, "fd00::1-fd00::3", "fd00::1"),
        ({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.20", "gateway": "10.1.2.254"},)
        + ("10.1.2.9-10.1.2.20", "10.1.2.254"),
    ],
)
def test_defaults(given_range, shown, gateway):
    (ranges,) = parse_sets([[given_range]])
    assert str(ranges) == shown
    assert ip.to_text(ranges.family, ranges[0].gateway) == gateway


@pytest.mark.parametrize(
    ("sets", "word"),
    [
        ([[{}]], "subnet"),
        ([[]], "empty"),
        ([[{"subnet": "10.1.2.3/24"}]], "host bits"),
        ([[{"subnet": "10.1.2.0/31"}]], "too small"),
        ([[{"subnet": "fd00::/127"}]], "too small"),
        ([[{"subnet": "10.1.2.0"}]], "prefix length"),
        ([[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.3.1"}]], "rangeStart"),
        ([[{"subnet": "10.1.2.0/24", "rangeEnd": "x"}]], "'x'"),
        ([[{"subnet": "10.1.2.0/24", "gateway": "fd00::1"}]], "gateway fd00::1 not in network 10.1.2.0/24"),
        ([[{"subnet": "10.1.2.0/24", "gateway": "10.1.3.1"}]], "gateway 10.1.3.1 not in network 10.1.2.0/24"),
        ([[{"subnet": "fd01::/64", "gateway": "fd02::1"}]], "gateway fd02::1 not in network fd01::/64"),
        ([[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.8"}]], "after"),
        ([[{"subnet": "10.1.2.0/24"}, {"subnet": "fd00::/64"}]], "mixed"),
        ([[{"subnet": "10.1.2.0/24"}, {"subnet": "10.1.0.0/16"}]], "overlap"),
        ([[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.2.0/25"}]], "overlaps"),
    ],
)
def test_refused(sets, word):
    with pytest.raises(ValueError) as caught:
        parse_sets(sets)
    assert word in str(caught.value)


def test_positions_count_through_the_set():
    (ranges,) = parse_sets([[{"subnet": "10.1.0.0/29"}, {"subnet": "10.2.0.0/29"}]])
    assert ranges.size == 12
    for position in range(ranges.size):
        address, _source = ranges.at(position)
        assert ranges.position((4, address)) == position
    assert list(ranges.kept()) == [0, 6]
    assert ranges.position(ip.parse_address("10.3.0.1")) is None
    with pytest.raises(IndexError):
        ranges.at(12)


@given(st.ip_addresses())
def test_addresses_as_ipaddress_has_them(address):
    kind, number = ip.parse_address(str(address))
    assert (kind, number) == (address.version, int(address))
    assert ipaddress.ip_address(ip.to_text(kind, number)) == address


@given(st.text())
def test_text_is_an_address_only_where_ipaddress_agrees(text):
    try:
        ipaddress.ip_interface(text)
        known = "/" in text
    except ValueError:
        known = False
    try:
        ip.parse_interface(text)
        ours = True
    except ValueError:
        ours = False
    assert ours == known
