# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A link that was removed is gone for everybody, whatever the kernel still has of it."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.netlink import link, removal
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel


def test_its_name_is_free_at_once(netns):
    """Ten times the same name, as a bridge's port, whose own end the kernel tells of first."""
    netns.run("ip link add br0 type bridge")
    with netns.entered(), Channel() as channel:
        bridge = link.get(channel, "br0")
        for _again in range(10):
            channel.request(link.add_veth("v0", "v1", master=bridge.index))
            assert removal.remove(channel, "v0")
            assert sorted(item["ifname"] for item in netns.ip("link")) == ["br0", "lo"]
            assert not removal.remove(channel, "v0")
        removal.settle()


def test_more_than_are_held_back_at_a_time(netns):
    with netns.entered(), Channel() as channel:
        for number in range(removal.MOST + 4):
            channel.request(link.add_veth(f"a{number}", f"b{number}"))
            assert removal.remove(channel, f"a{number}")
        removal.settle()
    assert [item["ifname"] for item in netns.ip("link")] == ["lo"]
