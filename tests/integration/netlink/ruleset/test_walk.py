# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluator says what the kernel does: rules as kube-proxy, firewalls and people write them, with packets."""

from __future__ import annotations

import pytest
from standin import kube_proxy

from .conftest import CLIENT, ROUTER, SERVERS, shown


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("mode", [*kube_proxy.MODES, "legacy"])
def test_kube_proxy(router, mode, version):
    written = kube_proxy.rules("iptables" if mode == "legacy" else mode, version, SERVERS[version][:2], ROUTER[version])
    if mode in kube_proxy.SHAPES:
        router.nft(written)
    else:
        tool = "iptables-legacy-restore" if mode == "legacy" else "iptables-restore"
        router.iptables(written, tool if version == 4 else f"ip6{tool[2:]}")
    service, empty = kube_proxy.service(version), kube_proxy.empty(version)
    ends = {("forwarded", CLIENT[version], server, 8080) for server in SERVERS[version][:2]}
    hidden = {("forwarded", "10.2.0.1" if version == 4 else "fd00:2::1", *end[2:]) for end in ends}
    cases = (
        (service, 80, ends),
        (empty, 80, {("lost", "", "", 0)}),
        (ROUTER[version], 30080, hidden),
    )
    for address, port, wanted in cases:
        found = router.foreseen(router.packet(address, port, 4000))
        assert {shown(one) for one in found} == wanted, address
        assert not [one.unknown for one in found if one.unknown]
        packets = [(address, port, 4100 + number) for number in range(8)]
        seen = set(router.sent(*packets, foreseen=[wanted] * len(packets)))
        assert seen <= wanted, address
    (refused,) = router.foreseen(router.packet(empty, 80, 4000))
    assert refused.verdict == "reject"
    assert refused.rule
    assert refused.rule.key.name in ("KUBE-SERVICES", "reject-chain")
