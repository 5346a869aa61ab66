# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ptp, on the kernel; witnessed by ip, nft and ping."""

from __future__ import annotations

import pytest


@pytest.fixture
def conf(host):
    """ptp with host-local for IPv4 and IPv6."""
    ipam = {**host.conf()["ipam"], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}

    def make(**more):
        return {"cniVersion": "1.1.0", "name": "net", "type": "ptp", "ipam": ipam, **more}

    return make


def test_add_connects(host, conf):
    pod = host.pod()
    result = host.call("ptp", "ADD", conf(mtu=1400, dns={"nameservers": ["10.9.0.53"]}), "c1", pod)
    outside, inside = result["interfaces"]
    assert (inside["name"], inside["sandbox"]) == ("eth0", pod.path)
    assert [item["interface"] for item in result["ips"]] == [1, 1]
    assert result["dns"] == {"nameservers": ["10.9.0.53"]}
    eth0 = pod.ip("link show dev eth0")[0]
    assert (eth0["address"], eth0["mtu"], eth0["operstate"]) == (inside["mac"], 1400, "UP")
    # the gateway stands between the pod and its own subnet
    ways = {(item["dst"], item.get("gateway")) for item in pod.ip("route show dev eth0")}
    assert ways == {("default", "10.9.0.1"), ("10.9.0.0/24", "10.9.0.1"), ("10.9.0.1", None)}
    ways = {(item["dst"], item.get("gateway")) for item in pod.ip("-6 route show dev eth0")}
    assert ways >= {("default", "fd09::1"), ("fd09::/64", "fd09::1"), ("fd09::1", None)}
    # so are the host's addresses and its ways to the pod
    port = host.netns.ip(f"address show dev {outside['name']}")[0]
    assert port["address"] == outside["mac"]
    shown = {f"{item['local']}/{item['prefixlen']}" for item in port["addr_info"] if item["scope"] == "global"}
    assert shown == {"10.9.0.1/32", "fd09::1/128"}
    assert [item["dev"] for item in host.netns.ip("route show 10.9.0.2")] == [outside["name"]]
    assert [item["dev"] for item in host.netns.ip("-6 route show fd09::2")] == [outside["name"]]
    assert host.netns.sysctl("net.ipv4.ip_forward") == "1"
    assert host.netns.sysctl("net.ipv6.conf.all.forwarding") == "1"


def test_pods_reach_each_other_and_their_host_at_once(host, conf):
    pods = [host.pod() for _number in range(2)]
    results = [host.call("ptp", "ADD", conf(), f"c{number}", pod) for number, pod in enumerate(pods)]
    for item in results[1]["ips"]:
        pods[0].run(f"ping -c 1 -W 5 {item['address'].split('/')[0]}")
    for address in ("10.9.0.1", "fd09::1"):
        pods[1].run(f"ping -c 1 -W 5 {address}")


def test_an_address_alone_in_its_subnet(host, conf, empty):
    """Its gateway can't be in the subnet, and yet the default route leads over it."""
    pod = host.pod()
    addresses = [
        {"address": "10.9.0.2/32", "gateway": "169.254.1.1"},
        {"address": "fd09::2/128", "gateway": "fd0a::1"},
    ]
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    wanted = conf(ipam={"type": "static", "addresses": addresses, "routes": routes})
    result = host.call("ptp", "ADD", wanted, "c1", pod)
    told = {**wanted, "prevResult": result}
    for address in ("169.254.1.1", "fd0a::1"):
        pod.run(f"ping -c 1 -W 5 {address}")
    assert [item["gateway"] for item in pod.ip("route show default")] == ["169.254.1.1"]
    host.call("ptp", "CHECK", told, "c1", pod)
    host.call("ptp", "DEL", told, "c1", pod)
    assert host.state() == empty


def test_del_leaves_nothing_and_is_repeatable(host, conf, empty):
    pod = host.pod()
    result = host.call("ptp", "ADD", conf(ipMasq=True), "c1", pod)
    assert host.state() != empty
    for previous in (result, None):
        host.call("ptp", "DEL", {**conf(ipMasq=True), "prevResult": previous}, "c1", pod)
        assert host.state() == empty
    assert [link["ifname"] for link in pod.ip("link")] == ["lo"]


@pytest.mark.defect("ptp masquerade rules leak without the netns")
@pytest.mark.parametrize("known", [True, False])
def test_del_without_namespace_leaves_nothing(host, conf, empty, known):
    pod = host.pod()
    result = host.call("ptp", "ADD", conf(ipMasq=True), "c1", pod)
    more = {"prevResult": result} if known else {}
    host.call("ptp", "DEL", {**conf(ipMasq=True), **more}, "c1", "/run/netns/gone")
    assert host.state() == empty


def test_masquerade(host, conf, make_netns):
    outside = make_netns()
    host.netns.run(f"ip link add up0 type veth peer name up1 netns {outside.name}")
    host.netns.run("ip address add 192.0.2.1/24 dev up0")
    host.netns.run("ip link set up0 up")
    outside.run("ip address add 192.0.2.2/24 dev up1")
    outside.run("ip link set up1 up")
    pod = host.pod()
    result = host.call("ptp", "ADD", conf(ipMasq=True, ipMasqBackend="nftables"), "c1", pod)
    pod.run("ping -c 1 -W 2 192.0.2.2")  # outside has no route back to 10.9.0.0/24
    host.call("ptp", "CHECK", {**conf(ipMasq=True), "prevResult": result}, "c1", pod)
    host.netns.run("nft flush map inet podnet masquerade_from4")
    with pytest.raises(Exception, match="not masqueraded"):
        host.call("ptp", "CHECK", {**conf(ipMasq=True), "prevResult": result}, "c1", pod)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"ipam": {}}, "requires an IPAM"),
        ({"ipMasqBackend": "ipfw"}, "ipMasqBackend"),
        ({"mtu": -1}, "mtu"),
        ({"ipam": {"type": "bridge"}}, "is not an IPAM plugin"),
    ],
)
def test_bad_configuration(host, conf, failure, more, word):
    with pytest.raises(failure, match=word) as caught:
        host.call("ptp", "ADD", conf(**more), "c1", host.pod())
    assert caught.value.code == 7


def test_add_that_fails_undoes_what_it_did(host, conf, failure, empty):
    pod = host.pod()
    pod.run("ip link add eth0 type veth peer name other")
    with pytest.raises(failure, match="already exists"):
        host.call("ptp", "ADD", conf(), "c1", pod)
    assert host.state() == empty
    assert {link["ifname"] for link in pod.ip("link")} == {"lo", "eth0", "other"}


@pytest.mark.defect("ptp: CHECK looks at neither the host's end nor the masquerade")
@pytest.mark.parametrize(
    ("where", "command", "word"),
    [
        ("pod", "ip link set eth0 down", "is down"),
        ("pod", "ip address delete 10.9.0.2/24 dev eth0", "10.9.0.2/24"),
        ("pod", "ip route delete 10.9.0.0/24", "10.9.0.0/24"),
        ("pod", "ip -6 route delete fd09::/64", "fd09::/64"),
        ("host", "ip link set {port} down", "is down"),
        ("host", "ip address delete 10.9.0.1/32 dev {port}", "lacks the address 10.9.0.1"),
        ("host", "ip route delete 10.9.0.2", "10.9.0.2/32 is missing"),
        ("host", "ip -6 route delete fd09::2", "fd09::2/128 is missing"),
        ("host", "ip link delete {port}", "missing"),
        ("host", "sysctl -qw net.ipv4.ip_forward=0", "does not forward IPv4"),
    ],
)
def test_check_finds(host, conf, failure, where, command, word):
    pod = host.pod()
    result = host.call("ptp", "ADD", conf(), "c1", pod)
    told = {**conf(), "prevResult": result}
    host.call("ptp", "CHECK", told, "c1", pod)
    (pod if where == "pod" else host.netns).run(command.format(port=result["interfaces"][0]["name"]))
    with pytest.raises(failure, match=word):
        host.call("ptp", "CHECK", told, "c1", pod)


@pytest.mark.defect("ptp: no GC")
def test_gc_keeps_what_is_valid(host, conf, empty):
    pods = {f"c{index}": host.pod() for index in range(2)}
    results = {name: host.call("ptp", "ADD", conf(ipMasq=True), name, pod) for name, pod in pods.items()}
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    host.call("ptp", "GC", {**conf(), "cni.dev/valid-attachments": valid})
    links = {link["ifname"] for link in host.netns.ip("link")}
    assert results["c1"]["interfaces"][0]["name"] in links
    assert results["c0"]["interfaces"][0]["name"] not in links
    host.call("ptp", "CHECK", {**conf(ipMasq=True), "prevResult": results["c1"]}, "c1", pods["c1"])
    host.call("ptp", "GC", {**conf(), "cni.dev/valid-attachments": []})
    assert host.state() == empty
