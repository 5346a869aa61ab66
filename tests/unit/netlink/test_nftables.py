# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prefixes as the ranges that nftables has."""

from __future__ import annotations

import ipaddress

from ansible_collections.podnet.cluster.plugins.module_utils.netlink import nftables
from hypothesis import given
from hypothesis import strategies as st


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_prefix_range(ip, length):
    network = ipaddress.ip_network(f"{ip}/{length}", strict=False)
    assert nftables.prefix_range(f"{ip}/{length}") == (network.network_address.packed, network.broadcast_address.packed)
