# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes beside those that ip makes."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.kernel_objects import KernelObjects, differences
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import (
    link,
    route,
)
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.address import Address
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.link import Link
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.netns import Netns
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.route import Route

PROTOCOL = 199


@pytest.fixture
def channel(netns):
    with Netns(netns.path), Channel() as opened:
        yield opened


def test_ipv6_and_mixed_routes(netns, channel):
    objects = [
        Link("cni0", "bridge", up=True),
        Address("cni0", "fd00:1::1/64"),
        Route("fd00:2::/64", "cni0", "fd00:1::2", protocol=PROTOCOL),
        Route("10.9.0.0/16", "cni0", "fd00:1::2", protocol=PROTOCOL),
        Route("10.8.0.0/16", "cni0", mtu=1300, advmss=1200, table=1000, protocol=PROTOCOL),
    ]
    assert KernelObjects(channel, objects, []).apply() == []
    assert netns.ip("-6 route show fd00:2::/64")[0]["gateway"] == "fd00:1::2"
    assert netns.ip("route show 10.9.0.0/16")[0]["via"]["host"] == "fd00:1::2"
    assert netns.ip("route show table 1000")[0]["metrics"][0] == {"mtu": 1300, "advmss": 1200}
    (info,) = [entry for entry in netns.ip("-6 address show cni0")[0]["addr_info"] if entry["scope"] == "global"]
    assert "tentative" not in info
    names = {entry.index: entry.name for entry in link.dump(channel)}
    found = route.dump(channel, names, protocol=PROTOCOL) + route.dump(channel, names, table=1000)
    assert not differences(objects[2:], found)
    assert route.lookup(channel, "10.9.1.1", names).gateway == "fd00:1::2"
    # a gateway that changes must not leave two routes behind
    for gateway in ("fd00:1::3", "fd00:1::4"):
        objects[2] = Route("fd00:2::/64", "cni0", gateway, protocol=PROTOCOL)
        found = route.dump(channel, names, protocol=PROTOCOL) + route.dump(channel, names, table=1000)
        assert KernelObjects(channel, objects[2:], found).apply() == []
        assert [entry["gateway"] for entry in netns.ip("-6 route show fd00:2::/64")] == [gateway]


@pytest.mark.parametrize(
    ("version", "dst", "hops"),
    [(4, "10.5.0.0/16", ["192.0.2.1", "192.0.2.2"]), (6, "fd05::/64", ["fd02::1", "fd02::2"])],
)
def test_a_route_with_several_next_hops_is_not_one_through_the_first(netns, channel, version, dst, hops):
    """The plan replaces it by the wanted route; what is read tells all its next hops."""
    netns.run("ip link add up0 type veth peer name up1")
    netns.run("ip link set up0 up")
    netns.run("ip address add 192.0.2.9/24 dev up0")
    netns.run("ip address add fd02::9/64 dev up0 nodad")
    netns.run("ip link set up1 up")
    netns.run(f"ip -{version} route add {dst} proto 112 " + " ".join(f"nexthop via {hop} dev up0" for hop in hops))
    (found,) = [one for one in route.dump(channel, {}) if one.dst == dst]
    assert sorted(found.gateways()) == hops and found.gateway is None
    wanted = Route(dst, "up0", hops[0], protocol=112, metric=found.metric)
    assert wanted.differences(found)
