# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is true of every plugin that gives a pod an interface, whatever kind of link it is; witnessed by ip."""

from __future__ import annotations

import concurrent.futures
import json

import pytest

#: Plugin → its own keys, and the kind of link that the pod gets.
KEYS = {
    "ptp": ({}, "veth"),
    "macvlan": ({"master": "up0"}, "macvlan"),
    "ipvlan": ({"master": "up0"}, "ipvlan"),
    "vlan": ({"master": "up0", "vlanId": 5}, "vlan"),
    "dummy": ({}, "dummy"),
    "tap": ({}, "tun"),
    "host-device": ({"device": "hd0"}, "veth"),
}
NOT_EVERYWHERE = ("ipvlan", "vlan", "dummy")
MASTERED = ("macvlan", "ipvlan", "vlan")
VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]


def params(names):
    return [pytest.param(name, marks=pytest.mark.needs) if name in NOT_EVERYWHERE else name for name in names]


class Plugin:
    """A plugin on a host that has a master (up0) and a device to lend (hd0)."""

    def __init__(self, name, host):
        self.name = name
        self.host = host
        self.keys, self.kind = KEYS[name]
        for first, second in (("up0", "up1"), ("hd0", "hd1")):
            host.netns.run(f"ip link add {first} type veth peer name {second}")
            host.netns.run(f"ip link set {first} up")
            host.netns.run(f"ip link set {second} up")
        self.before = host.state()

    def conf(self, **more):
        ipam = {**self.host.conf()["ipam"], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}
        conf = {"cniVersion": "1.1.0", "name": "net", "type": self.name, "ipam": ipam, **self.keys, **more}
        return {key: value for key, value in conf.items() if value is not None}

    def call(self, command, conf, *where, **more):
        return self.host.call(self.name, command, conf, *where, **more)


@pytest.fixture
def plugin(request, host):
    if request.param in NOT_EVERYWHERE:
        request.getfixturevalue("needs")(request.param)
    return Plugin(request.param, host)


#: The tests of what the plugins do not share, and of what every one must show by itself …
every = pytest.mark.parametrize("plugin", params(KEYS), indirect=True)
mastered = pytest.mark.parametrize("plugin", params(MASTERED), indirect=True)
#: … and of what they do share, under this kernel: macvlan stands for those on a master.
shared = pytest.mark.parametrize("plugin", [name for name in KEYS if name not in NOT_EVERYWHERE], indirect=True)
macvlan = pytest.mark.parametrize("plugin", ["macvlan"], indirect=True)


def links(pod):
    return sorted(item["ifname"] for item in pod.ip("link"))


@every
def test_add_is_what_the_result_says(plugin, host):
    pod = host.pod()
    result = plugin.call("ADD", plugin.conf(dns={"search": ["example.org"]}), "c1", pod)
    (inside,) = [item for item in result["interfaces"] if item.get("sandbox")]
    (shown,) = pod.ip("address show dev eth0")
    assert (inside["name"], inside["sandbox"]) == ("eth0", pod.path)
    assert (inside["mac"], inside["mtu"]) == (shown["address"], shown["mtu"])
    assert shown["linkinfo"]["info_kind"] == plugin.kind
    assert "UP" in shown["flags"]
    present = {f"{item['local']}/{item['prefixlen']}": item for item in shown["addr_info"]}
    assert {item["address"] for item in result["ips"]} == {"10.9.0.2/24", "fd09::2/64"} <= set(present)
    assert not present["fd09::2/64"].get("tentative")
    assert {item["interface"] for item in result["ips"]} == {len(result["interfaces"]) - 1}
    assert [item["gateway"] for item in pod.ip("route show default")] == ["10.9.0.1"]
    assert [item["gateway"] for item in pod.ip("-6 route show default")] == ["fd09::1"]
    assert result["dns"] == {"search": ["example.org"]}
    plugin.call("CHECK", {**plugin.conf(), "prevResult": result}, "c1", pod)


@every
def test_del_leaves_nothing_and_is_repeatable(plugin, host):
    pod = host.pod()
    result = plugin.call("ADD", plugin.conf(), "c1", pod)
    assert host.state() != plugin.before
    for previous in (result, result, None):
        plugin.call("DEL", {**plugin.conf(), "prevResult": previous}, "c1", pod)
        assert host.state() == plugin.before
    assert links(pod) == ["lo"]


@pytest.mark.defect("DEL with an empty netns skips IPAM, with a vanished one it errors")
@pytest.mark.parametrize("gone", ["", "/run/netns/gone"])
@shared
def test_del_without_namespace_frees_the_address(plugin, host, gone):
    pod = host.pod()
    plugin.call("ADD", plugin.conf(), "c1", pod)
    plugin.call("DEL", plugin.conf(), "c1", gone)
    state = host.state()
    assert state["reserved"] == []
    if plugin.name == "ptp":
        assert state == plugin.before


@pytest.mark.defect("macvlan, ipvlan, vlan: DEL fails and leaks the address when the master is gone")
@mastered
def test_del_without_master(plugin, host):
    pod = host.pod()
    result = plugin.call("ADD", plugin.conf(), "c1", pod)
    host.netns.run("ip link delete up0")  # what stood on it goes with it
    for previous in (result, None):
        plugin.call("DEL", {**plugin.conf(), "prevResult": previous}, "c1", pod)
        assert host.state()["reserved"] == []
    assert links(pod) == ["lo"]


@pytest.mark.defect("macvlan: the link leaks if IPAM fails")
@every
def test_add_that_fails_leaves_nothing(plugin, host, failure):
    """Before the link is made, and when it is there already and can't be configured."""
    pod = host.pod()
    ipam = {**plugin.conf()["ipam"], "ranges": [[{"subnet": "10.9.0.0/30"}]]}
    other = host.pod()
    plugin.call("ADD", plugin.conf(ipam=ipam), "c0", other)
    with pytest.raises(failure, match="no IP addresses available") as caught:
        plugin.call("ADD", plugin.conf(ipam=ipam), "c1", pod)
    assert caught.value.code == 11
    assert links(pod) == ["lo"]
    plugin.call("DEL", plugin.conf(ipam=ipam), "c0", other)
    ipam["routes"] = [{"dst": "192.0.2.0/24", "gw": "198.51.100.1"}]
    with pytest.raises(failure, match=r"192\.0\.2\.0/24"):
        plugin.call("ADD", plugin.conf(ipam=ipam), "c1", pod)
    assert links(pod) == ["lo"]
    assert host.state() == plugin.before


@shared
def test_an_interface_that_exists_is_left_alone(plugin, host, failure):
    pod = host.pod()
    pod.run("ip link add eth0 type bridge")
    with pytest.raises(failure, match="eth0 already exists"):
        plugin.call("ADD", plugin.conf(), "c1", pod)
    plugin.call("DEL", plugin.conf(), "c1", pod)
    assert host.state() == plugin.before
    assert pod.ip("link show dev eth0")[0]["linkinfo"]["info_kind"] == "bridge"


@pytest.mark.defect("no plugin has GC")
@shared
def test_gc_keeps_what_is_valid(plugin, host):
    kept = host.pod()
    result = plugin.call("ADD", plugin.conf(), "c1", kept)
    ipam = plugin.conf()["ipam"]
    host.call("host-local", "ADD", {**plugin.conf(), "type": "host-local", "ipam": ipam}, "c0", host.pod())
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    plugin.call("GC", {**plugin.conf(), "cni.dev/valid-attachments": valid})
    assert "10.9.0.2" in host.state()["reserved"]
    assert "10.9.0.3" not in host.state()["reserved"]
    plugin.call("CHECK", {**plugin.conf(), "prevResult": result}, "c1", kept)
    plugin.call("GC", {**plugin.conf(), "cni.dev/valid-attachments": []})
    assert host.state()["reserved"] == []


@shared
def test_every_version(plugin, host):
    pod = host.pod()
    for version in VERSIONS:
        conf = plugin.conf(cniVersion=version)
        result = plugin.call("ADD", conf, "c1", pod)
        assert result["cniVersion"] == version
        old = version in ("0.1.0", "0.2.0")
        assert (result["ip4"]["ip"] if old else result["ips"][0]["address"]).startswith("10.9.0.")
        assert (result["ip6"]["ip"] if old else result["ips"][1]["address"]).startswith("fd09::")
        assert ("mtu" in str(result.get("interfaces"))) == (version == "1.1.0")
        if version in ("0.4.0", "1.0.0", "1.1.0"):
            plugin.call("CHECK", {**conf, "prevResult": result}, "c1", pod)
        plugin.call("DEL", {**conf, "prevResult": result}, "c1", pod)
        assert host.state() == plugin.before


@pytest.mark.parametrize("plugin", ["macvlan", "tap"], indirect=True)
@pytest.mark.parametrize(
    ("args", "word"),
    [
        ("COLOUR=red", "COLOUR"),
        ("COLOUR=red;IgnoreUnknown=0", "COLOUR"),
        ("IgnoreUnknown=perhaps", "perhaps"),
        ("COLOUR=red;IgnoreUnknown=1", None),
        ("MAC=02:00:00:00:00:09;IP=10.9.0.9;K8S_POD_NAME=x", None),
    ],
)
def test_cni_args_that_nobody_knows(plugin, host, failure, args, word):
    pod = host.pod()
    if word:
        with pytest.raises(failure, match=word) as caught:
            plugin.call("ADD", plugin.conf(ipam=None), "c1", pod, args=args)
        assert caught.value.code == 7
    else:
        plugin.call("ADD", plugin.conf(), "c1", pod, args=args)
    plugin.call("DEL", plugin.conf(), "c1", pod, args=args)
    assert host.state() == plugin.before


@shared
@pytest.mark.parametrize("args", ["COLOUR", "MAC=none"])
def test_cni_args_are_an_attachments(plugin, args):
    """A command of no attachment does not fail for them."""
    for command, more in (("STATUS", {}), ("GC", {"cni.dev/valid-attachments": []})):
        plugin.call(command, plugin.conf(**more), args=args)


@shared
def test_a_full_range_is_ready(plugin, host):
    conf = plugin.conf(ipam={**plugin.conf()["ipam"], "ranges": [[{"subnet": "10.9.0.0/30"}]]})
    plugin.call("STATUS", conf)
    plugin.call("ADD", conf, "c1", host.pod())
    plugin.call("STATUS", conf)


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("ip link set eth0 down", "is down"),
        ("ip address delete 10.9.0.2/24 dev eth0", "10.9.0.2/24"),
        ("ip -6 address delete fd09::2/64 dev eth0", "fd09::2/64"),
        ("ip route delete default", "0.0.0.0/0"),
        ("ip link delete eth0", "is missing"),
        ("ip link delete eth0; ip link add eth0 type bridge", ""),
    ],
)
@pytest.mark.parametrize("plugin", ["macvlan", "tap"], indirect=True)
def test_check_finds(plugin, host, failure, command, word):
    pod = host.pod()
    told = {**plugin.conf(), "prevResult": plugin.call("ADD", plugin.conf(), "c1", pod)}
    for part in command.split("; "):
        pod.run(part)
    with pytest.raises(failure, match=word or f"not a {plugin.kind}"):
        plugin.call("CHECK", told, "c1", pod)


@shared
def test_check_finds_another_mac_address_and_a_lost_reservation(plugin, host, failure):
    pod = host.pod()
    told = {**plugin.conf(), "prevResult": plugin.call("ADD", plugin.conf(), "c1", pod)}
    (host.data / "net" / "10.9.0.2").rename(host.data / "kept")
    with pytest.raises(failure, match="host-local"):
        plugin.call("CHECK", told, "c1", pod)
    (host.data / "kept").rename(host.data / "net" / "10.9.0.2")
    plugin.call("CHECK", told, "c1", pod)
    told["prevResult"]["interfaces"][-1]["mac"] = "02:00:00:00:00:99"
    with pytest.raises(failure, match="MAC"):
        plugin.call("CHECK", told, "c1", pod)


@pytest.mark.parametrize("plugin", ["macvlan", "tap", "host-device"], indirect=True)
def test_layer_two_only(plugin, host):
    pod = host.pod()
    conf = plugin.conf(ipam=None)
    result = plugin.call("ADD", conf, "c1", pod)
    assert "ips" not in result
    assert "UP" in pod.ip("link show dev eth0")[0]["flags"]
    plugin.call("CHECK", {**conf, "prevResult": result}, "c1", pod)
    plugin.call("STATUS", conf)
    plugin.call("GC", {**conf, "cni.dev/valid-attachments": []})
    plugin.call("DEL", {**conf, "prevResult": result}, "c1", pod)
    assert host.state() == plugin.before


@pytest.mark.defect("tap: the MAC option is dropped")
@pytest.mark.parametrize("plugin", ["macvlan", "tap"], indirect=True)
def test_mac_address_and_who_has_the_last_word(plugin, host, failure):
    pod = host.pod()
    more = {"mac": "02:00:00:00:00:01"}
    sources = [
        {},
        {"args": "MAC=02:00:00:00:00:02"},
        {"args": {"cni": {"mac": "02:00:00:00:00:03"}}},
        {"runtimeConfig": {"mac": "02:00:00:00:00:04"}},
    ]
    args = ""
    for number, source in enumerate(sources, 1):
        if isinstance(source.get("args"), str):
            args = "IgnoreUnknown=1;" + source["args"]
        else:
            more.update(source)
        result = plugin.call("ADD", plugin.conf(**more), "c1", pod, args=args)
        assert pod.ip("link show dev eth0")[0]["address"] == f"02:00:00:00:00:0{number}"
        assert result["interfaces"][0]["mac"] == f"02:00:00:00:00:0{number}"
        plugin.call("DEL", plugin.conf(**more), "c1", pod, args=args)
    for wrong in ("nonsense", "01:00:00:00:00:01", "00:00:00:00:00:00"):
        with pytest.raises(failure, match="MAC address") as caught:
            plugin.call("ADD", plugin.conf(mac=wrong), "c1", pod)
        assert caught.value.code == 7
    assert host.state() == plugin.before


@pytest.mark.parametrize("plugin", ["ptp", "macvlan", "tap"], indirect=True)
def test_mtu(plugin, host):
    pod = host.pod()
    conf = plugin.conf(mtu=1400)
    assert plugin.call("ADD", conf, "c1", pod)["interfaces"][-1]["mtu"] == 1400
    assert pod.ip("link show dev eth0")[0]["mtu"] == 1400


@macvlan
def test_mtu_of_the_master_is_the_limit(plugin, host, failure):
    host.netns.run("ip link set up0 mtu 1300")
    pod = host.pod()
    with pytest.raises(failure, match=r"invalid MTU 1301, must be \[0, master MTU\(1300\)\]") as caught:
        plugin.call("ADD", plugin.conf(mtu=1301), "c1", pod)
    assert caught.value.code == 7
    assert host.state() == plugin.before
    plugin.call("ADD", plugin.conf(), "c1", pod)
    assert pod.ip("link show dev eth0")[0]["mtu"] == 1300


@macvlan
def test_without_master(plugin, host, failure):
    conf = plugin.conf(master="none0")
    with pytest.raises(failure, match="failed to lookup master 'none0'"):
        plugin.call("ADD", conf, "c1", host.pod())
    assert host.state() == plugin.before
    with pytest.raises(failure, match="none0") as caught:
        plugin.call("STATUS", conf)
    assert caught.value.code == 50


@pytest.mark.parametrize("plugin", ["macvlan"], indirect=True)
def test_the_default_route_chooses_the_master(plugin, host, failure):
    conf = plugin.conf(master=None)
    with pytest.raises(failure, match="no default route interface found"):
        plugin.call("ADD", conf, "c1", host.pod())
    host.netns.run("ip link set hd0 up")
    host.netns.run("ip -6 route add default dev hd0 metric 1")
    index = {item["ifname"]: item["ifindex"] for item in host.netns.ip("link")}
    pods = [host.pod(), host.pod()]
    plugin.call("ADD", conf, "c1", pods[0])
    assert pods[0].ip("link show dev eth0")[0]["link_index"] == index["hd0"]
    host.netns.run("ip route add default dev hd0 metric 50")
    host.netns.run("ip route add default dev up0 metric 20")
    result = plugin.call("ADD", conf, "c2", pods[1])
    assert pods[1].ip("link show dev eth0")[0]["link_index"] == index["up0"]
    host.netns.run("ip route flush table main")
    plugin.call("CHECK", {**conf, "prevResult": result}, "c2", pods[1])
    plugin.call("DEL", {**conf, "prevResult": result}, "c2", pods[1])
    assert links(pods[1]) == ["lo"]


@macvlan
def test_a_name_that_the_host_has_too(plugin, host):
    host.netns.run("ip link add eth0 type bridge")
    pod = host.pod()
    plugin.call("ADD", plugin.conf(), "c1", pod)
    assert pod.ip("link show dev eth0")[0]["linkinfo"]["info_kind"] == plugin.kind
    assert links(pod) == ["eth0", "lo"]


@mastered
def test_master_in_the_pod(plugin, host, failure):
    pod = host.pod()
    pod.run("ip link add in0 type veth peer name in1")
    pod.run("ip link set in0 up")
    conf = plugin.conf(master="in0", linkInContainer=True)
    result = plugin.call("ADD", conf, "c1", pod)
    (shown,) = pod.ip("link show dev eth0")
    assert (shown["link"], shown["linkinfo"]["info_kind"]) == ("in0", plugin.kind)
    plugin.call("CHECK", {**conf, "prevResult": result}, "c1", pod)
    with pytest.raises(failure, match="not on top of"):
        plugin.call("CHECK", {**plugin.conf(), "prevResult": result}, "c1", pod)
    plugin.call("STATUS", conf)
    plugin.call("DEL", {**conf, "prevResult": result}, "c1", pod)
    assert links(pod) == ["in0", "in1", "lo"]
    assert host.state() == plugin.before


@macvlan
def test_check_finds_another_master(plugin, host, failure):
    pod = host.pod()
    result = plugin.call("ADD", plugin.conf(), "c1", pod)
    with pytest.raises(failure, match="not on top of hd0"):
        plugin.call("CHECK", {**plugin.conf(master="hd0"), "prevResult": result}, "c1", pod)
    host.netns.run("ip link delete up0")
    with pytest.raises(failure, match="is missing"):
        plugin.call("CHECK", {**plugin.conf(), "prevResult": result}, "c1", pod)


@pytest.mark.parametrize("plugin", ["macvlan", "ptp"], indirect=True)
def test_addresses_of_another_implementation(plugin, host, tmp_path):
    """A foreign IPAM plugin is executed from CNI_PATH, for every command."""
    log = tmp_path / "log"
    foreign = tmp_path / "bin" / "myipam"
    foreign.parent.mkdir()
    foreign.write_text(
        "#!/bin/sh\n"
        f"echo $CNI_COMMAND >> {log}\n"
        'test $CNI_COMMAND != ADD || echo \'{"cniVersion": "0.3.1", "ips": [{"version": "4", '
        '"address": "10.9.0.77/24", "gateway": "10.9.0.1"}]}\'\n'
        "test $CNI_COMMAND = ADD || echo done\n"  # nobody wants to know
    )
    foreign.chmod(0o755)
    pod = host.pod()
    conf = plugin.conf(ipam={"type": "myipam"})
    path = f"{foreign.parent}:{host.bin_dir}"
    result = plugin.call("ADD", conf, "c1", pod, path=path)
    assert pod.ip("address show dev eth0")[0]["addr_info"][0]["local"] == "10.9.0.77"
    told = {**conf, "prevResult": result}
    plugin.call("CHECK", told, "c1", pod, path=path)
    plugin.call("STATUS", conf, path=path)
    plugin.call("GC", {**conf, "cni.dev/valid-attachments": []}, path=path)
    plugin.call("DEL", told, "c1", pod, path=path)
    assert log.read_text().split() == ["ADD", "CHECK", "STATUS", "GC", "DEL"]


@pytest.mark.parametrize("plugin", ["macvlan", "ptp"], indirect=True)
def test_many_at_once(plugin, host):
    """No address twice, nothing left over, twice in a row."""
    conf = plugin.conf()
    pods = [host.pod() for _number in range(8)]
    for _again in range(2):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda item: plugin.call("ADD", conf, f"c{item[0]}", item[1]), enumerate(pods)))
            assert len({json.dumps(item["ips"]) for item in results}) == len(pods)
            list(pool.map(lambda item: plugin.call("DEL", conf, f"c{item[0]}", item[1]), enumerate(pods)))
        assert host.state() == plugin.before
        assert all(links(pod) == ["lo"] for pod in pods)
