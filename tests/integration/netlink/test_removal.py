# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A link that was removed is gone for everybody, whatever the kernel still has of it."""

from __future__ import annotations

import os

from ansible_collections.podnet.cluster.plugins.module_utils.netlink import link, nftables, removal
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import NETLINK_NETFILTER


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


def test_a_socket_is_closed_after_the_answer(netns):
    """What a transaction removed is gone at once; the sockets are closed by ``settle``, and never more than a few."""
    table = nftables.Table("inet", "ours", [nftables.Set("pods", ("ipv4_addr",))], [])
    with netns.entered():
        before = len(os.listdir("/proc/self/fd"))
        for _again in range(removal.MOST + 4):
            with removal.Unhurried(NETLINK_NETFILTER) as channel:
                nftables.ensure(channel, table)
                nftables.transaction(channel, [nftables.delete_table(table)])
            assert netns.run("nft list ruleset").stdout == ""
        assert before < len(os.listdir("/proc/self/fd")) <= before + removal.MOST
        removal.settle()
        assert len(os.listdir("/proc/self/fd")) == before
