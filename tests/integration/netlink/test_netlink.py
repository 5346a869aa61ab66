# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The netlink library against the kernel; ip, bridge and nft tell what really is there."""

from __future__ import annotations

import errno
import os
import signal
import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.kernel_objects import KernelObjects, differences
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import (
    address,
    link,
    neighbour,
    nft_expr,
    nftables,
    route,
    wire,
)
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.address import Address
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.link import Link
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.neighbour import Fdb, Neighbour
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.netns import Netns, is_netns
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.route import Route

PROTOCOL = 199


@pytest.fixture
def channel(netns):
    with Netns(netns.path), Channel() as opened:
        yield opened


@pytest.fixture
def netfilter(netns):
    with Netns(netns.path), Channel(wire.NETLINK_NETFILTER) as opened:
        yield opened


def overlay(vni: int = 1, mtu: int = 1450, peers: int = 2) -> list:
    objects = [
        Link("under0", "bridge", mac="02:00:00:00:00:01", mtu=1500, up=True),
        Address("under0", "192.0.2.1/24"),
        Link(
            "flannel.1", "vxlan", mac="02:00:00:00:00:02", mtu=mtu, up=True,
            data={"id": vni, "port": 8472, "local": "192.0.2.1", "link": "under0", "learning": False},
        ),
        Address("flannel.1", "10.0.0.0/32"),
    ]  # fmt: skip
    for peer in range(1, peers + 1):
        subnet, mac = f"10.{peer // 256}.{peer % 256}", f"02:00:00:01:{peer // 256:02x}:{peer % 256:02x}"
        objects += [
            Neighbour("flannel.1", f"{subnet}.0", mac),
            Fdb("flannel.1", mac, f"192.0.2.{2 + peer % 200}"),
            Route(f"{subnet}.0/24", "flannel.1", f"{subnet}.0", onlink=True, protocol=PROTOCOL),
        ]
    return objects


def actual(channel: Channel) -> list:
    links = link.dump(channel)
    names = {entry.index: entry.name for entry in links}
    return [
        *[entry for entry in links if entry.name in ("under0", "flannel.1")],
        *address.dump(channel, names, family=2),
        *[entry for entry in neighbour.dump(channel, names, family=2) if entry.state == "permanent"],
        *neighbour.dump_fdb(channel, names),
        *route.dump(channel, names, protocol=PROTOCOL),
    ]


def test_an_overlay_is_made_changed_and_removed(netns, channel):
    assert KernelObjects(channel, overlay(), actual(channel)).apply() == []
    assert not differences(overlay(), actual(channel))
    (device,) = netns.ip("link show flannel.1")
    assert (device["address"], device["mtu"]) == ("02:00:00:00:00:02", 1450)
    data = device["linkinfo"]["info_data"]
    assert (data["id"], data["port"], data["local"], data["link"]) == (1, 8472, "192.0.2.1", "under0")
    assert not data["learning"]
    (peer,) = netns.ip("route show 10.0.1.0/24")
    assert (peer["gateway"], peer["dev"], peer["flags"], peer["protocol"]) == (
        "10.0.1.0",
        "flannel.1",
        ["onlink"],
        "199",
    )
    assert {(entry["dst"], entry["lladdr"], entry["state"][0]) for entry in netns.ip("neigh show dev flannel.1")} == {
        ("10.0.1.0", "02:00:00:01:00:01", "PERMANENT"),
        ("10.0.2.0", "02:00:00:01:00:02", "PERMANENT"),
    }
    forwarding = {(entry["mac"], entry["dst"], entry["state"]) for entry in netns.bridge("fdb show dev flannel.1")}
    assert forwarding == {
        ("02:00:00:01:00:01", "192.0.2.3", "permanent"),
        ("02:00:00:01:00:02", "192.0.2.4", "permanent"),
    }

    # the device is made anew for another VNI, and all that stood on it comes back
    assert KernelObjects(channel, overlay(vni=7), actual(channel)).apply() == []
    assert not differences(overlay(vni=7), actual(channel))
    assert netns.ip("link show flannel.1")[0]["linkinfo"]["info_data"]["id"] == 7
    assert len(netns.bridge("fdb show dev flannel.1")) == 2

    # for another MTU it is not
    index = netns.ip("link show flannel.1")[0]["ifindex"]
    assert KernelObjects(channel, overlay(vni=7, mtu=1400), actual(channel)).apply() == []
    (device,) = netns.ip("link show flannel.1")
    assert (device["ifindex"], device["mtu"]) == (index, 1400)

    # a peer leaves
    assert KernelObjects(channel, overlay(vni=7, mtu=1400, peers=1), actual(channel)).apply() == []
    assert netns.ip("route show 10.0.2.0/24") == []
    assert [entry["dst"] for entry in netns.ip("neigh show dev flannel.1")] == ["10.0.1.0"]

    assert KernelObjects(channel, [], actual(channel)).apply() == []
    assert [entry["ifname"] for entry in netns.ip("link show")] == ["lo"]


@pytest.mark.parametrize(
    "damage",
    [
        "ip route delete 10.0.1.0/24",
        "ip route replace 10.0.1.0/24 dev under0 proto 199",
        "ip neigh delete 10.0.1.0 dev flannel.1",
        "ip neigh replace 10.0.1.0 dev flannel.1 lladdr 02:00:00:00:00:99",
        "bridge fdb delete 02:00:00:01:00:01 dev flannel.1",
        "bridge fdb replace 02:00:00:01:00:01 dev flannel.1 dst 192.0.2.99 self permanent",
        "ip link delete flannel.1",
        "ip link set flannel.1 down",
        "ip link set flannel.1 address 02:00:00:00:00:77",
        "ip address flush dev flannel.1",
    ],
)
def test_what_others_break_is_seen_and_mended(netns, channel, damage):
    KernelObjects(channel, overlay(), actual(channel)).apply()
    whole = [
        netns.ip("route show"),
        netns.ip("neigh show nud permanent"),
        netns.ip("-4 address show dev flannel.1")[0]["addr_info"],
    ]
    netns.run(damage)
    broken = KernelObjects(channel, overlay(), actual(channel))
    assert broken.changes
    assert broken.apply() == []
    healed = [
        netns.ip("route show"),
        netns.ip("neigh show nud permanent"),
        netns.ip("-4 address show dev flannel.1")[0]["addr_info"],
    ]
    if "delete flannel.1" in damage:
        assert [entry["dst"] for entry in healed[0]] == [entry["dst"] for entry in whole[0]]
    else:
        assert healed == whole
    assert {entry["dst"] for entry in netns.bridge("fdb show dev flannel.1")} == {"192.0.2.3", "192.0.2.4"}
    # routes of a link that was down come back with the next plan
    KernelObjects(channel, overlay(), actual(channel)).apply()
    assert not differences(overlay(), actual(channel))


def test_a_batch_tells_the_outcome_of_every_request(netns, channel):
    """Thousands of messages in several datagrams; those that must fail, and only those, are refused, each with its
    reason."""
    KernelObjects(channel, overlay(peers=0), actual(channel)).apply()
    index = netns.ip("link show flannel.1")[0]["ifindex"]
    requests = []
    for number in range(3000):
        dst = f"10.{1 + number // 256}.{number % 256}.0/24"
        onlink = number % 7 != 3  # without onlink the gateway can't be reached
        requests.append(route.add(dst, index, gateway=dst[:-3], onlink=onlink, protocol=PROTOCOL))
    outcome = channel.batch(requests)
    assert [bool(error) for error in outcome] == [number % 7 == 3 for number in range(3000)]
    assert all("Nexthop has invalid gateway" in str(error) for error in outcome if error)
    assert outcome[3].what == "add route 10.1.3.0/24"
    assert len(netns.ip("route show proto 199")) == 3000 - len([error for error in outcome if error])


def test_a_batch_in_which_all_fails_still_tells_each_outcome(channel):
    outcome = channel.batch([link.delete(name=f"no{number}") for number in range(2000)])
    assert {error.errno for error in outcome} == {errno.ENODEV}


def test_an_interrupted_dump_is_made_again(netns, channel):
    """While the kernel lists links in several datagrams, links come and go: the list must still be consistent."""
    for number in range(200):
        channel.request(link.add(f"br{number}", "bridge"))
    other = netns  # the disturber works with ip, in the same namespace
    calls = []
    receive = channel.receive

    def disturbed():
        calls.append(1)
        if len(calls) == 2:
            other.run("ip link delete br150")
            other.run("ip link add late type bridge")
        return receive()

    channel.receive = disturbed
    names = {entry.name for entry in link.dump(channel)}
    assert names == {entry["ifname"] for entry in netns.ip("link show")}
    assert "late" in names
    assert "br150" not in names


def test_errors_carry_the_kernels_own_words(channel):
    with pytest.raises(wire.NetlinkError, match=r"^add veth link x{20}: .*validation") as refused:
        channel.request(link.add("x" * 20, "veth"))
    assert refused.value.errno == errno.ERANGE
    with pytest.raises(wire.NetlinkError, match=r"^add nonesuch link a: ") as refused:
        channel.request(link.add("a", "nonesuch"))
    assert refused.value.errno == errno.EOPNOTSUPP


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


def test_namespaces_are_told_apart(netns, make_netns):
    first, again, other = Netns(netns.path), Netns(netns.path), Netns(make_netns().path)
    assert first.identity() == again.identity() != other.identity()
    assert is_netns(netns.path)
    assert not is_netns("/etc/hostname")
    assert not is_netns("/nowhere")
    with pytest.raises(OSError):
        Netns("/run/netns/none-such")
    for opened in (first, again, other):
        opened.close()


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
