# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and subnets as numbers, beside Python's ipaddress, which the library does not load."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.ipam import ip
from hypothesis import given
from hypothesis import strategies as st


@given(st.ip_addresses())
def test_addresses_are_what_ipaddress_takes_them_for(address):
    assert ip.parse_address(str(address)) == (address.version, int(address))
    assert ipaddress.ip_address(ip.to_text(address.version, int(address))) == address
    assert ip.version_of(str(address)) == address.version


@given(st.ip_addresses(), st.data())
def test_subnets_are_what_ipaddress_takes_them_for(address, data):
    length = data.draw(st.integers(0, address.max_prefixlen))
    wanted = ipaddress.ip_network(f"{address}/{length}", strict=False)
    found = ip.parse_subnet(f"{address}/{length}")
    assert (found.first, found.last) == (int(wanted.network_address), int(wanted.broadcast_address))
    assert ipaddress.ip_network(str(found)) == wanted
    assert (address.version, int(address)) in found and (10 - address.version, int(address)) not in found


@pytest.mark.parametrize("text", ["", "10.1.2", "10.1.2.3.4", "10.1.2.256", "fd00:::1", "fd00::1%eth0", " 10.1.2.3"])
def test_what_is_not_an_address(text):
    with pytest.raises(ValueError):
        ip.parse_address(text)


@pytest.mark.parametrize(
    "text", ["10.1.2.3", "10.1.2.3/", "10.1.2.3/33", "10.1.2.3/+8", "::/129", "10.1.2.3/\u0668", 7]
)
def test_what_has_no_prefix_length(text):
    with pytest.raises(ValueError):
        ip.parse_interface(text)


def test_the_first_of_each_ip_version():
    addresses = ["10.0.0.1", "fd00::1", "10.0.0.2"]
    assert ip.by_version(addresses) == {4: "10.0.0.1", 6: "fd00::1"}
    assert (ip.alike(addresses, "fd99::/64"), ip.alike(addresses[:1], "fd99::1")) == ("fd00::1", "")
