# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WireGuard's messages."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import genl
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import wireguard as wire
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import attr, attr_u16, nest

KEYS = [wire.pack_key(bytes([number]) * 32) for number in range(5)]


@pytest.mark.parametrize("endpoint", ["10.77.0.12:51820", "[fd77::12]:51821"])
def test_endpoints_come_back_as_they_went(endpoint):
    assert wire.unpack_endpoint(wire.pack_endpoint(endpoint)) == endpoint


def test_a_peer_that_goes_on_in_the_next_message_is_one():
    def message(*peers):
        return genl.HEADER.pack(0, 1) + nest(wire.WGDEVICE_A_PEERS, *peers)

    def peer(key, *prefixes, first=True):
        parts = [attr(wire.WGPEER_A_PUBLIC_KEY, wire.unpack_key(key))]
        if first:
            parts += [
                attr(wire.WGPEER_A_ENDPOINT, wire.pack_endpoint("10.77.0.12:51820")),
                attr_u16(wire.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, 25),
            ]
        return nest(0, *parts, nest(wire.WGPEER_A_ALLOWEDIPS, *map(wire._pack_allowed, prefixes)))

    told = wire.decode(
        "wg0",
        [message(peer(KEYS[1], "10.244.1.0/24")), message(peer(KEYS[1], "fd00::/64", first=False), peer(KEYS[2]))],
    )
    assert [each.describe() for each in told] == [
        {"object": "wireguard", "dev": "wg0"},
        {
            "object": "peer",
            "dev": "wg0",
            "public_key": KEYS[1],
            "endpoint": "10.77.0.12:51820",
            "allowed_ips": ["10.244.1.0/24", "fd00::/64"],
            "keepalive": 25,
        },
        {
            "object": "peer",
            "dev": "wg0",
            "public_key": KEYS[2],
            "endpoint": "10.77.0.12:51820",
            "allowed_ips": [],
            "keepalive": 25,
        },
    ]
