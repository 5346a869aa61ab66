# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAC addresses that every node can compute, and what is refused as one."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.mac import mac_of, parse_mac


def test_it_is_a_local_unicast_address_of_its_own():
    found = {mac_of(f"node{number}", role) for number in range(500) for role in ("vtep", "bridge")}
    assert len(found) == 1000
    assert {int(mac[:2], 16) & 3 for mac in found} == {2}


def test_it_never_changes():
    """Peers of another release compute it, too."""
    octets = hashlib.sha256(b"podnet/vtep/node1").digest()
    assert mac_of("node1", "vtep")[3:] == octets[1:6].hex(":")


def test_capitals_are_the_same_address():
    assert parse_mac("0A:16:1C:DE:2B:01") == "0a:16:1c:de:2b:01"


@pytest.mark.parametrize(
    "value", ["01:00:5e:00:00:01", "00:00:00:00:00:00", "0a:16:1c:de:2b", "0a-16-1c-de-2b-01", None]
)
def test_what_is_not_an_interface_s_address(value):
    with pytest.raises(ValueError, match="is "):
        parse_mac(value)
