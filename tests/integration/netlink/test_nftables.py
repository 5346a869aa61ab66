# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables, sets and transactions of nftables that nft sees."""

from __future__ import annotations

import os
import signal
import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import (
    nft_expr,
    nftables,
    wire,
)
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.netns import Netns


@pytest.fixture
def netfilter(netns):
    with Netns(netns.path), Channel(wire.NETLINK_NETFILTER) as opened:
        yield opened


def table() -> nftables.Table:
    ports, target = ("ipv4_addr", "inet_proto", "inet_service"), ("ipv4_addr", "inet_service")
    is_ip = (nft_expr.meta("nfproto"), nft_expr.compare(b"\x02"))
    register = nft_expr.REG32
    translate = nftables.Rule(
        "to the pod", *is_ip, nft_expr.destination(4, register), nft_expr.meta("l4proto", register + 1),
        nft_expr.destination_port(register + 2), nft_expr.map_to("host_ports4", register, register),
        nft_expr.nat(nft_expr.DNAT, 4, register, register + 1),
    )  # fmt: skip
    hide = nftables.Rule(
        "leaves the cluster", *is_ip, nft_expr.source(4), nft_expr.in_set("pod_networks4"),
        nft_expr.destination(4), nft_expr.in_set("pod_networks4", inverted=True), nft_expr.masquerade(),
    )  # fmt: skip
    return nftables.Table(
        "inet",
        "ours",
        [nftables.Set("pod_networks4", ("ipv4_addr",), interval=True), nftables.Set("host_ports4", ports, target)],
        [
            nftables.Chain("prerouting", [translate], "nat", "prerouting", -100),
            nftables.Chain("postrouting", [hide], "nat", "postrouting", 100),
        ],
    )


CHAIN = "add chain inet ours prerouting {"


def test_a_table_is_made_once_and_its_elements_come_and_go(netns, netfilter):
    ours = table()
    assert [str(each) for each in nftables.ensure(netfilter, ours)] == ["add table inet ours"]
    assert nftables.ensure(netfilter, ours) == []
    key = nftables.pack(ours.sets[1].key, wire.pack_ip("192.0.2.2"), b"\x06", b"\0\x50")
    data = nftables.pack(ours.sets[1].data, wire.pack_ip("10.244.0.2"), b"\x1f\x90")
    nftables.transaction(
        netfilter,
        [
            nftables.add_prefixes(ours, "pod_networks4", ["10.244.0.0/16"]),
            nftables.add_elements(ours, "host_ports4", [(key, data)], comment="web"),
        ],
    )
    listed = netns.run("nft list ruleset").stdout
    assert "elements = { 10.244.0.0/16 }" in listed
    assert '192.0.2.2 . tcp . 80 comment "web" : 10.244.0.2 . 8080' in listed
    assert "dnat ip to ip daddr . meta l4proto . th dport map @host_ports4" in listed
    assert "ip saddr @pod_networks4 ip daddr != @pod_networks4 masquerade fully-random" in listed
    assert nftables.read_elements(netfilter, ours, "host_ports4") == {key: (data, "web")}
    assert nftables.read_prefixes(netfilter, ours, "pod_networks4") == [nftables.prefix_range("10.244.0.0/16")]
    assert nftables.has_element(netfilter, ours, "host_ports4", key)

    nftables.transaction(netfilter, [nftables.delete_elements(ours, "host_ports4", [key])])
    assert not nftables.has_element(netfilter, ours, "host_ports4", key)
    nftables.transaction(netfilter, [nftables.delete_table(ours)])
    assert not nftables.exists(netfilter, ours)


def test_a_set_is_read_whole_while_others_change_it(netns, netfilter):
    """What stays is in every list, whatever comes and goes beside it; the kernel alone passes over some of it."""
    ours = nftables.Table("inet", "ours", [nftables.Set("pods", ("ipv4_addr",))], [])
    nftables.ensure(netfilter, ours)
    keys = [wire.pack_ip(f"10.0.{number // 250}.{number % 250}") for number in range(2000)]
    stays, passes = keys[::2], keys[1::2]
    add = [nftables.add_elements(ours, "pods", [(key, None)], comment="c1 eth0 net") for key in keys]
    nftables.transaction(netfilter, add)
    other = os.fork()
    if not other:  # there is nothing but this to be done in it
        with Channel(wire.NETLINK_NETFILTER) as changes:
            while True:
                for key in passes:
                    nftables.transaction(changes, [nftables.delete_elements(ours, "pods", [key])])
                    time.sleep(0.001)
                nftables.transaction(changes, add[1::2])
    try:
        for _again in range(10):
            assert set(stays) <= nftables.read_keys(netfilter, ours, "pods")
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)


def test_a_transaction_is_all_or_nothing(netfilter):
    ours = table()
    nftables.ensure(netfilter, ours)
    key = nftables.pack(ours.sets[1].key, wire.pack_ip("192.0.2.2"), b"\x06", b"\0\x50")
    data = nftables.pack(ours.sets[1].data, wire.pack_ip("10.244.0.2"), b"\x1f\x90")
    with pytest.raises(wire.NetlinkError, match="delete elements of host_ports4: No such file"):
        nftables.transaction(
            netfilter,
            [
                nftables.add_elements(ours, "host_ports4", [(key, data)]),
                nftables.delete_elements(ours, "host_ports4", [bytes(12)]),
            ],
        )
    assert nftables.read_elements(netfilter, ours, "host_ports4") == {}


@pytest.mark.parametrize(
    ("damage", "repair"),
    [
        ("flush chain inet ours postrouting", "restore chain postrouting"),
        ("add rule inet ours prerouting accept", "restore chain prerouting"),
        ("delete table inet ours", "add table inet ours"),
        ("insert rule inet ours postrouting ip saddr 10.0.0.0/8 return", "restore chain postrouting"),
        (
            f"delete chain inet ours prerouting; {CHAIN} type nat hook prerouting priority -99; }}",
            "restore chain prerouting",
        ),
        (
            f"delete chain inet ours prerouting; {CHAIN} type filter hook prerouting priority -100; }}",
            "restore chain prerouting",
        ),
        ("delete chain inet ours prerouting; add chain inet ours prerouting", "restore chain prerouting"),
    ],
)
def test_a_damaged_table_is_restored_with_its_elements_and_others_are_left_alone(netns, netfilter, damage, repair):
    ours = table()
    netns.run("nft add table inet theirs")
    netns.run("nft", "add chain inet theirs c { type filter hook input priority 0; }")
    netns.run("nft add rule inet theirs c counter accept")
    theirs = netns.run("nft list table inet theirs").stdout
    nftables.ensure(netfilter, ours)
    nftables.transaction(netfilter, [nftables.add_prefixes(ours, "pod_networks4", ["10.244.0.0/16"])])
    whole = netns.run("nft list table inet ours").stdout
    netns.run("nft", damage)
    repaired = f"{repair} of table inet ours" if "chain" in repair else repair
    assert [str(each) for each in nftables.ensure(netfilter, ours)] == [repaired]
    assert nftables.ensure(netfilter, ours) == []
    if "delete table" not in damage:
        assert sorted(netns.run("nft list table inet ours").stdout.splitlines()) == sorted(whole.splitlines())
    assert netns.run("nft list table inet theirs").stdout == theirs


def test_a_set_of_another_shape_is_replaced(netns, netfilter):
    netns.run("nft add table inet ours")
    netns.run("nft", "add set inet ours pod_networks4 { type ipv6_addr; }")
    assert [str(each) for each in nftables.ensure(netfilter, table())] == ["recreate table inet ours"]
    assert nftables.ensure(netfilter, table()) == []


def test_a_set_of_an_older_version_goes_when_no_rule_asks_for_it_any_more(netns, netfilter):
    ours = table()
    nftables.ensure(netfilter, ours)
    netns.run("nft", "add set inet ours nodes4 { type ipv4_addr; elements = { 192.0.2.7 } }")
    netns.run(f"nft add rule inet ours {ours.chains[0].name} ip saddr @nodes4 accept")
    ours.former = ("nodes4",)
    done = [str(each) for each in nftables.ensure(netfilter, ours)]
    assert done == [f"restore chain {ours.chains[0].name} of table inet ours", "delete set nodes4 of table inet ours"]
    assert nftables.ensure(netfilter, ours) == []
