# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that forwards IPv6 keeps the default route that a router advertised, by the sysctls of the role node."""

from __future__ import annotations

import time

import pytest
from frames import advertisement, frame, send

ROUTER, PREFIX = "fe80::1", "2001:db8:1::"
#: In the role's order (tests/unit/provision/test_templates.py, test_ipv6_forwarding).
OURS = {"-net/ipv6/conf/eth0/accept_ra": 2, "-net.ipv6.conf.all.forwarding": 1}
NAIVE = {"net.ipv6.conf.all.forwarding": 1}


def routes(netns) -> list[str]:
    """The node's default routes: by whom."""
    return [each["gateway"] for each in netns.ip("-6 route show default")]


def advertise(node, router) -> None:
    """Until the node has heard it: its link-local address is tentative for some time."""
    mac = router.ip("link show dev up0")[0]["address"]
    deadline = time.monotonic() + 20
    while not routes(node) and time.monotonic() < deadline:
        send(router, frame(mac, "33:33:00:00:00:01", advertisement(ROUTER, PREFIX)), "up0")
        time.sleep(0.2)


@pytest.mark.parametrize(("sysctls", "kept"), [(OURS, [ROUTER]), (NAIVE, [])], ids=["ours", "naive"])
def test_the_default_route_stays(run_module, make_netns, sysctls, kept):
    node, router = make_netns(), make_netns()
    node.run(f"ip link add eth0 type veth peer name up0 netns {router.name}")
    node.run("sysctl -qw net.ipv6.conf.eth0.accept_ra=1 net.ipv6.conf.all.forwarding=0")
    node.run("ip link set eth0 up")
    router.run("ip link set up0 up")
    advertise(node, router)
    assert routes(node) == [ROUTER]
    run_module(node, "node_state", sysctls=sysctls)
    assert routes(node) == kept
    if kept:
        node.run("ip -6 route flush default")
        advertise(node, router)
        assert routes(node) == kept
        assert not run_module(node, "node_state", sysctls=sysctls)["changed"]
