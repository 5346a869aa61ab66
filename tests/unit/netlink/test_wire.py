# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes, addresses, prefixes and MAC addresses as bytes."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import wire
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=64))))
def test_attributes_come_back_as_they_were_packed(items):
    packed = b"".join(wire.attr(kind, payload) for kind, payload in items)
    assert len(packed) % 4 == 0
    assert wire.attributes(packed) == items


@given(st.binary(max_size=200))
def test_garbage_never_breaks_the_parser(body):
    for kind, payload in wire.attributes(body):
        assert 0 <= kind <= wire.NLA_TYPE_MASK
        assert payload in body


@given(st.ip_addresses())
def test_addresses_are_packed_as_the_standard_library_packs_them(ip):
    assert wire.pack_ip(str(ip)) == ip.packed
    assert ipaddress.ip_address(wire.unpack_ip(ip.packed)) == ip


@pytest.mark.parametrize(
    ("prefix", "length"), [("10.244.1.0/24", 24), ("10.0.0.1", 32), ("fd00::/64", 64), ("::1", 128), ("0.0.0.0/0", 0)]
)
def test_prefix(prefix, length):
    packed, found = wire.split_prefix(prefix)
    assert found == length
    assert wire.unpack_ip(packed) == prefix.partition("/")[0]


@pytest.mark.parametrize(
    "prefix", ["10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0/8", "", "x/8", "fd00::/129", "10.0.0.0/²"]
)
def test_what_is_no_prefix_is_named(prefix):
    with pytest.raises(ValueError) as refused:
        wire.split_prefix(prefix)
    assert repr(prefix.partition("/")[0])[1:-1] in str(refused.value)


@pytest.mark.parametrize("mac", ["", "02:00", "02:00:00:00:00:zz", "02:00:00:00:00:100", "02-00-00-00-00-01"])
def test_what_is_no_mac_is_named(mac):
    with pytest.raises(ValueError, match="is not a MAC address"):
        wire.pack_mac(mac)
