# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The netlink library against the kernel; ip, bridge and nft tell what really is there."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.kernel_objects import KernelObjects, differences
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import (
    address,
    link,
    neighbour,
    route,
    wire,
)
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.address import Address
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.link import Link
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.neighbour import Fdb, Neighbour
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.netns import Netns
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.route import Route

PROTOCOL = 199


@pytest.fixture
def channel(netns):
    with Netns(netns.path), Channel() as opened:
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
