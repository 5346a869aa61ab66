# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tunnel's packets, as the counter reads them."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe import vxlan_counter

from .conftest import NODE1, NODE2, A, B, echo, ipv6, udp, vxlan


@pytest.mark.parametrize(
    ("packet", "flow"),
    [
        (vxlan(echo(A, B)), (NODE1, NODE2, 1)),
        (vxlan(echo(A, B), vni=0xABCDEF), (NODE1, NODE2, 0xABCDEF)),
        (vxlan(echo(A, B), port=4789), None),
        (vxlan(echo(A, B), flags=0), None),
        (udp(NODE1, NODE2, 8472), None),
        (ipv6("fd00::1", "fd00::2", 17, bytes(60)), None),
        (ipv6("fd00::1", "fd00::2", 17, vxlan(echo(A, B))[20:]), ("fd00::1", "fd00::2", 1)),
        (b"", None),
    ],
)
def test_a_tunnel_s_packets_are_counted_by_addresses_and_vni(packet, flow):
    assert vxlan_counter.dissect(packet, 8472) == flow
