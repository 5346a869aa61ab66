# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links that ip sees."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import (
    link,
)
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.netns import Netns


@pytest.fixture
def channel(netns):
    with Netns(netns.path), Channel() as opened:
        yield opened


def test_a_veth_pair_is_born_in_two_namespaces(netns, make_netns, channel):
    pod = make_netns()
    inside = Netns(pod.path)
    channel.request(link.add("cni0", "bridge", mac="02:00:00:00:00:01", up=True))
    bridge = link.get(channel, "cni0").index
    channel.request(
        link.add_veth("veth0", "eth0", master=bridge, mtu=1400, peer_mac="02:00:00:00:00:05", peer_netns=inside.fd)
    )
    channel.request(link.port(0, {"hairpin": True, "isolated": True}, name="veth0"))
    (host,) = netns.ip("link show veth0")
    assert (host["master"], host["mtu"], "UP" in host["flags"]) == ("cni0", 1400, True)
    (port,) = netns.bridge("link show dev veth0")
    assert (port["hairpin"], port["isolated"]) == (True, True)
    (eth0,) = pod.ip("link show eth0")
    assert (eth0["address"], eth0["mtu"]) == ("02:00:00:00:00:05", 1400)
    inside.close()
