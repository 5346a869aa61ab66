# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bridge with host-local, on the kernel; witnessed by ip, bridge, nft and ping."""

from __future__ import annotations

import pytest


def addresses(netns, link):
    return [
        f"{item['local']}/{item['prefixlen']}"
        for item in netns.ip(f"address show dev {link}")[0]["addr_info"]
        if item["scope"] == "global"
    ]


def test_add_connects(host):
    pod = host.pod()
    result = host.call("bridge", "ADD", host.conf(isDefaultGateway=True, hairpinMode=True, mtu=1400), "c1", pod)

    bridge, outside, inside = result["interfaces"]
    assert [bridge["name"], inside["name"], inside["sandbox"]] == ["br0", "eth0", pod.path]
    assert [item["address"] for item in result["ips"]] == ["10.9.0.2/24", "fd09::2/64"]
    assert [item["interface"] for item in result["ips"]] == [2, 2]
    assert {(item["dst"], item["gw"]) for item in result["routes"]} == {("0.0.0.0/0", "10.9.0.1"), ("::/0", "fd09::1")}

    eth0 = pod.ip("link show dev eth0")[0]
    assert (eth0["address"], eth0["mtu"], eth0["operstate"]) == (inside["mac"], 1400, "UP")
    assert addresses(pod, "eth0") == ["10.9.0.2/24", "fd09::2/64"]
    assert [item["gateway"] for item in pod.ip("route show default")] == ["10.9.0.1"]
    assert [item["gateway"] for item in pod.ip("-6 route show default")] == ["fd09::1"]
    assert host.netns.ip("link show dev br0")[0]["address"] == bridge["mac"]
    assert addresses(host.netns, "br0") == ["10.9.0.1/24", "fd09::1/64"]
    port = host.netns.bridge(f"link show dev {outside['name']}")[0]
    assert (port["master"], port["hairpin"], port["state"]) == ("br0", True, "forwarding")
    assert host.netns.ip(f"link show dev {outside['name']}")[0]["address"] == outside["mac"]
    assert host.netns.sysctl("net.ipv4.ip_forward") == "1"
    assert host.netns.sysctl("net.ipv6.conf.all.forwarding") == "1"
    for target in ("10.9.0.1", "fd09::1"):
        pod.run(f"ping -c 1 -W 2 {target}")


@pytest.mark.defect("bridge: polls the port's state, sleeping")
def test_pods_reach_each_other_and_their_host_at_once(host):
    """No duplicate address detection, no port that doesn't forward yet: the first packet arrives."""
    pods = [host.pod() for _index in range(2)]
    results = [host.call("bridge", "ADD", host.conf(), f"c{index}", pod) for index, pod in enumerate(pods)]
    for item in results[1]["ips"]:
        pods[0].run(f"ping -c 1 -W 5 {item['address'].split('/')[0]}")
    for info in pods[0].ip("address show dev eth0")[0]["addr_info"]:
        if info["scope"] == "global" and info["family"] == "inet6":
            assert not info.get("tentative")


def test_del_leaves_nothing_and_is_repeatable(host, empty):
    pod = host.pod()
    conf = host.conf(ipMasq=True)
    result = host.call("bridge", "ADD", conf, "c1", pod)
    assert host.state() != empty
    for previous in (result, result, None):
        host.call("bridge", "DEL", {**conf, "prevResult": previous}, "c1", pod)
        assert host.state() == empty
    assert [link["ifname"] for link in pod.ip("link")] == ["lo"]


@pytest.mark.defect("bridge: DEL with the netns gone leaks masquerade rules")
@pytest.mark.parametrize("known", [True, False])
def test_del_without_namespace_leaves_nothing(host, empty, known):
    """★ masquerade and address are freed with the namespace gone, with and without prevResult."""
    pod = host.pod()
    conf = host.conf(ipMasq=True)
    result = host.call("bridge", "ADD", conf, "c1", pod)
    more = {"prevResult": result} if known else {}
    host.call("bridge", "DEL", {**conf, **more}, "c1", "/run/netns/gone")
    assert host.state() == empty


def test_add_to_an_interface_that_exists_fails_and_leaves_it(host, failure):
    pod = host.pod()
    conf = host.conf()
    host.call("bridge", "ADD", conf, "c1", pod)
    before, links = host.state(), pod.ip("link")
    with pytest.raises(failure, match="duplicate allocation"):
        host.call("bridge", "ADD", conf, "c1", pod)
    with pytest.raises(failure, match="already exists"):
        host.call("bridge", "ADD", conf, "c2", pod)
    with pytest.raises(failure, match="already attached to net"):
        host.call("bridge", "ADD", host.conf(ipam=None), "c1", host.pod())
    assert host.state() == before
    assert [link["ifname"] for link in pod.ip("link")] == [link["ifname"] for link in links]


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        ("ip link add br0 type vxlan id 9 dstport 4789 local 127.0.0.1", "not a bridge"),
        ("ip link add br0 type bridge; ip address add 10.9.0.9/24 dev br0", "already has an IP address different from"),
    ],
)
def test_add_that_fails_undoes_what_it_did(host, failure, empty, spoil, word):
    for command in spoil.split("; "):
        host.netns.run(command)
    pod = host.pod()
    with pytest.raises(failure, match=word):
        host.call("bridge", "ADD", host.conf(), "c1", pod)
    assert host.state() == empty
    assert [link["ifname"] for link in pod.ip("link")] == ["lo"]


def test_force_address(host):
    host.netns.run("ip link add br0 type bridge")
    host.netns.run("ip address add 10.9.0.9/24 dev br0")
    host.netns.run("ip address add fd77::1/64 dev br0")
    host.call("bridge", "ADD", host.conf(forceAddress=True), "c1", host.pod())
    assert sorted(addresses(host.netns, "br0")) == ["10.9.0.1/24", "fd09::1/64", "fd77::1/64"]


@pytest.mark.defect("bridge: the bridge's MAC is pinned only when an address is added")
def test_bridge_keeps_its_mac_address(host):
    """★ whatever ports come and go, also where the bridge has no address of its own."""
    conf = host.conf(isGateway=False)
    host.call("bridge", "ADD", conf, "c1", host.pod())
    before = host.netns.ip("link show dev br0")[0]["address"]
    host.netns.run("ip link add low address 00:00:00:00:00:01 type veth peer name low1")
    host.netns.run("ip link set low master br0")
    host.call("bridge", "DEL", conf, "c1")
    assert host.netns.ip("link show dev br0")[0]["address"] == before


def test_bridge_of_somebody_else_keeps_its_mac_address(host):
    """★ pinned at the first ADD, before the port joins; the result tells it."""
    host.netns.run("ip link add br0 type bridge")
    before = host.netns.ip("link show dev br0")[0]["address"]
    result = host.call("bridge", "ADD", host.conf(), "c1", host.pod())
    host.netns.run("ip link add low address 00:00:00:00:00:01 type veth peer name low1")
    host.netns.run("ip link set low master br0")
    assert result["interfaces"][0]["mac"] == before == host.netns.ip("link show dev br0")[0]["address"]


@pytest.mark.defect("bridge, ptp: a pod poses as a router to its host (CVE-2020-10749)")
def test_no_pod_is_a_router_for_its_host(host):
    """Router advertisements on the bridge and on the port go unheard."""
    result = host.call("bridge", "ADD", host.conf(), "c1", host.pod())
    for item in result["interfaces"][:2]:
        assert host.netns.sysctl(f"net/ipv6/conf/{item['name']}/accept_ra") == "0"


def test_default_route_of_ipam_counts(host):
    ipam = {**host.conf()["ipam"], "ranges": [[{"subnet": "10.9.0.0/24"}]]}
    ipam["routes"] = [{"dst": "0.0.0.0/0", "gw": "10.9.0.77"}]
    pod = host.pod()
    result = host.call("bridge", "ADD", host.conf(ipam=ipam, isDefaultGateway=True), "c1", pod)
    assert result["routes"] == ipam["routes"]
    assert [item["gateway"] for item in pod.ip("route show default")] == ["10.9.0.77"]


def test_address_that_is_used_again_is_reachable_at_once(host):
    """The host's neighbour entry is the new pod's before the first packet, and goes with the pod."""
    conf = host.conf(runtimeConfig={"ips": ["10.9.0.50"]})
    macs = []
    for container in ("c1", "c2"):
        pod = host.pod()
        result = host.call("bridge", "ADD", conf, container, pod)
        entry = next(item for item in host.netns.ip("neighbour") if item["dst"] == "10.9.0.50")
        assert entry["lladdr"] == result["interfaces"][2]["mac"]
        macs.append(entry["lladdr"])
        host.netns.run("ping -c 1 -W 5 10.9.0.50")
        host.call("bridge", "DEL", {**conf, "prevResult": result}, container, pod)
        assert not [item for item in host.netns.ip("neighbour") if item["dst"] == "10.9.0.50"]
    assert macs[0] != macs[1]


@pytest.mark.defect("bridge: CHECK of an L2 bridge without IPAM always fails")
def test_layer_two_only(host, empty):
    """★ CHECK of a bridge without IPAM passes."""
    pod = host.pod()
    conf = host.conf(ipam=None, isGateway=None)
    result = host.call("bridge", "ADD", conf, "c1", pod)
    assert "ips" not in result
    assert pod.ip("link show dev eth0")[0]["operstate"] == "UP"
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)
    host.call("bridge", "DEL", {**conf, "prevResult": result}, "c1", pod)
    assert host.state() == empty


def test_container_interface_left_down(host):
    pod = host.pod()
    conf = host.conf(ipam=None, isGateway=None, disableContainerInterface=True)
    result = host.call("bridge", "ADD", conf, "c1", pod)
    assert "UP" not in pod.ip("link show dev eth0")[0]["flags"]
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)


def test_promiscuous_and_isolated_and_mac(host):
    pod = host.pod()
    conf = host.conf(promiscMode=True, portIsolation=True, runtimeConfig={"mac": "02:11:22:33:44:55"})
    result = host.call("bridge", "ADD", conf, "c1", pod)
    assert "PROMISC" in host.netns.ip("link show dev br0")[0]["flags"]
    assert host.netns.bridge(f"link show dev {result['interfaces'][1]['name']}")[0]["isolated"] is True
    assert pod.ip("link show dev eth0")[0]["address"] == "02:11:22:33:44:55"
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)


def test_duplicate_address_detection_on_demand(host):
    pod = host.pod()
    host.call("bridge", "ADD", host.conf(enabledad=True), "c1", pod)
    info = next(item for item in pod.ip("address show dev eth0")[0]["addr_info"] if item["local"] == "fd09::2")
    assert not info.get("nodad")


@pytest.mark.defect("interfaces: a route's mtu and advmss are ignored")
def test_route_attributes(host):
    """★ mtu and advmss of a route reach the kernel."""
    pod = host.pod()
    ipam = host.conf()["ipam"]
    ipam["routes"] = [
        {"dst": "192.0.2.0/24", "mtu": 1300, "advmss": 1200, "priority": 7, "table": 300},
        {"dst": "198.51.100.0/24", "scope": 253},
    ]
    conf = host.conf(ipam=ipam)
    result = host.call("bridge", "ADD", conf, "c1", pod)
    (route,) = pod.ip("route show table 300")
    assert (route["dst"], route["gateway"], route["metric"]) == ("192.0.2.0/24", "10.9.0.1", 7)
    assert {key: value for item in route["metrics"] for key, value in item.items()} == {"mtu": 1300, "advmss": 1200}
    (direct,) = pod.ip("route show 198.51.100.0/24")
    assert (direct["scope"], direct.get("gateway")) == ("link", None)
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)
    pod.run("ip route delete 192.0.2.0/24 table 300")
    with pytest.raises(Exception, match=r"192\.0\.2\.0/24"):
        host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)


def test_masquerade(host, make_netns):
    """A pod's packets leave with the host's address, but not to its own subnet."""
    outside = make_netns()
    host.netns.run(f"ip link add up0 type veth peer name up1 netns {outside.name}")
    host.netns.run("ip address add 192.0.2.1/24 dev up0")
    host.netns.run("ip link set up0 up")
    outside.run("ip address add 192.0.2.2/24 dev up1")
    outside.run("ip link set up1 up")
    pod = host.pod()
    conf = host.conf(isDefaultGateway=True, ipMasq=True)
    result = host.call("bridge", "ADD", conf, "c1", pod)
    pod.run("ping -c 1 -W 2 192.0.2.2")  # outside has no route back to 10.9.0.0/24
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)
    host.netns.run("nft flush map inet podnet masquerade_from4")
    with pytest.raises(Exception, match="not masqueraded"):
        host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)
    assert pod.run("ping -c 1 -W 1 192.0.2.2", check=False).returncode


@pytest.mark.defect("bridge: CHECK looks at no hairpin, vlan and masquerade")
@pytest.mark.parametrize(
    ("where", "command", "word"),
    [
        ("pod", "ip link set eth0 down", "is down"),
        ("pod", "ip address delete 10.9.0.2/24 dev eth0", "10.9.0.2/24"),
        ("pod", "ip -6 address delete fd09::2/64 dev eth0", "fd09::2/64"),
        ("pod", "ip route delete default", "0.0.0.0/0"),
        ("pod", "ip link set eth0 address 02:00:00:00:00:99", "MAC"),
        ("host", "ip link set {port} nomaster", "not a port"),
        ("host", "bridge link set dev {port} hairpin off", "hairpin"),
        ("host", "ip link set br0 down", "missing or down"),
        ("host", "ip address delete 10.9.0.1/24 dev br0", "lacks the address 10.9.0.1/24"),
        ("host", "ip link delete {port}", "missing"),
        ("host", "ip link set {port} down", "is down"),
        ("host", "sysctl -qw net.ipv4.ip_forward=0", "does not forward IPv4"),
        ("host", "sysctl -qw net.ipv6.conf.all.forwarding=0", "does not forward IPv6"),
        ("pod", "ip route change 10.50.0.0/16 via 10.9.0.1 mtu 900 metric 7", "mtu 1300"),
        ("data", "10.9.0.2", "host-local"),
    ],
)
def test_check_finds(host, failure, where, command, word):
    """★ hairpin, gateway and port are checked; so are all the pod's side and the reservation."""
    pod = host.pod()
    conf = host.conf(isDefaultGateway=True, hairpinMode=True)
    conf["ipam"]["routes"] = [{"dst": "10.50.0.0/16", "mtu": 1300, "priority": 7}]
    result = host.call("bridge", "ADD", conf, "c1", pod)
    told = {**conf, "prevResult": result}
    host.call("bridge", "CHECK", told, "c1", pod)
    if where == "data":
        (host.data / "net" / command).unlink()
    else:
        (pod if where == "pod" else host.netns).run(command.format(port=result["interfaces"][1]["name"]))
    with pytest.raises(failure, match=word):
        host.call("bridge", "CHECK", told, "c1", pod)


def test_gc_keeps_what_is_valid(host, empty):
    conf = host.conf(ipMasq=True)
    pods = {f"c{index}": host.pod() for index in range(3)}
    results = {name: host.call("bridge", "ADD", conf, name, pod) for name, pod in pods.items()}
    other = host.conf(name="other", bridge="br0", ipam={**conf["ipam"], "ranges": [[{"subnet": "10.9.0.128/25"}]]})
    other.update(isGateway=False)
    kept_pod = host.pod()
    host.call("bridge", "ADD", other, "x1", kept_pod)
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    host.call("bridge", "GC", {**conf, "cni.dev/valid-attachments": valid})
    links = {link["ifname"] for link in host.netns.ip("link")}
    assert results["c1"]["interfaces"][1]["name"] in links
    assert results["c0"]["interfaces"][1]["name"] not in links
    assert pods["c1"].ip("link show dev eth0")
    assert kept_pod.ip("link show dev eth0")
    host.call("bridge", "CHECK", {**conf, "prevResult": results["c1"]}, "c1", pods["c1"])
    host.call("bridge", "GC", {**conf, "cni.dev/attachments": []})
    host.call("bridge", "GC", {**other, "cni.dev/valid-attachments": []})
    state = host.state()
    assert {**state, "neighbours": []} == empty


def test_gc_with_no_valid_attachment_in_libcnis_words(host, empty):
    conf = host.conf()
    host.call("bridge", "ADD", conf, "c1", host.pod())
    host.call("bridge", "GC", {**conf, "cni.dev/valid-attachments": None, "cni.dev/attachments": None})
    assert {**host.state(), "neighbours": []} == empty


def test_gc_knows_names_too_long_for_notes(host, empty):
    """Neither alias (255 bytes) nor comment (128) has room for them."""
    pod, container = host.pod(), "c" * 140
    conf = host.conf(ipMasq=True, name="n" * 100)
    result = host.call("bridge", "ADD", conf, container, pod)
    told = {"cniVersion": "1.1.0", "name": conf["name"], "prevResult": result}
    chain = {"portmap": {**told, "runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80}]}}}
    chain["firewall"] = told
    for plugin, wanted in chain.items():
        host.call(plugin, "ADD", wanted, container, pod)
    chain["bridge"] = {**conf, "prevResult": result}
    for plugin, wanted in chain.items():
        valid = [{"containerID": container, "ifname": "eth0"}]
        host.call(plugin, "GC", {**wanted, "cni.dev/valid-attachments": valid})
    for plugin, wanted in chain.items():
        host.call(plugin, "CHECK", wanted, container, pod)
    for plugin, wanted in chain.items():
        host.call(plugin, "GC", {**wanted, "cni.dev/valid-attachments": []})
    assert {**host.state(), "neighbours": []} == empty


@pytest.mark.parametrize(
    "noted",
    [
        {"cniVersion": "9.9.9"},
        {"ips": [{"address": "10.9.0.2"}]},
        {"ips": [{"address": "10.9.0.2/24", "interface": "eth0"}]},
        "nonsense",
    ],
)
def test_del_whatever_was_noted(host, empty, noted):
    """What can't be read is no reason to keep an address, and the pod with it."""
    conf, pod = host.conf(ipMasq=True), host.pod()
    host.call("bridge", "ADD", conf, "c1", pod)
    host.call("bridge", "DEL", {**conf, "prevResult": noted}, "c1", pod)
    assert host.state() == empty


def test_a_pod_whose_mac_address_cannot_be_goes(host, failure, empty):
    """ADD refuses it, and DEL, which follows, is not to fail for ever."""
    conf, pod = host.conf(runtimeConfig={"mac": "nonsense"}), host.pod()
    with pytest.raises(failure, match="nonsense"):
        host.call("bridge", "ADD", conf, "c1", pod)
    host.call("bridge", "DEL", conf, "c1", pod)
    assert host.state() == empty


def test_namespace_of_another_kind(host, failure, empty):
    conf = host.conf()
    with pytest.raises(failure, match="not a network namespace") as caught:
        host.call("bridge", "ADD", conf, "c1", "/proc/self/ns/mnt")
    assert caught.value.code == 8
    host.call("bridge", "ADD", conf, "c1", host.pod())
    host.call("bridge", "DEL", conf, "c1", "/proc/self/ns/mnt")
    assert host.state() == empty


def test_check_of_an_interface_without_a_name(host):
    conf, pod = host.conf(), host.pod()
    result = host.call("bridge", "ADD", conf, "c1", pod)
    host.netns.run(f"ip link set {result['interfaces'][1]['name']} name other")
    del result["interfaces"][0]["name"]
    result["interfaces"][1]["name"] = "other"
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)


def test_a_full_range_is_ready(host, failure):
    """containerd makes a node NotReady at any error of STATUS, though all pods that have an address are well."""
    ipam = {**host.conf()["ipam"], "ranges": [[{"subnet": "10.9.0.0/30"}]]}
    conf = host.conf(ipam=ipam)
    host.call("bridge", "STATUS", conf)
    host.call("bridge", "ADD", conf, "c1", host.pod())
    assert host.call("bridge", "STATUS", conf) is None
    with pytest.raises(failure, match="no IP addresses available in range set") as caught:
        host.call("bridge", "ADD", conf, "c2", host.pod())
    assert caught.value.code == 11


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_every_version(host, empty, version):
    pod = host.pod()
    conf = host.conf(cniVersion=version)
    result = host.call("bridge", "ADD", conf, "c1", pod)
    assert result["cniVersion"] == version
    text = result["ip4"]["ip"] if version in ("0.1.0", "0.2.0") else result["ips"][0]["address"]
    assert text == "10.9.0.2/24"
    told = {**conf, "prevResult": result}
    if version in ("0.4.0", "1.0.0", "1.1.0"):
        host.call("bridge", "CHECK", told, "c1", pod)
    host.call("bridge", "DEL", told, "c1", pod)
    assert host.state() == empty


def test_static_configuration_of_another_implementation(host, tmp_path):
    """A foreign IPAM plugin is executed from CNI_PATH, with the whole configuration, for ADD and for DEL."""
    log = tmp_path / "log"
    plugin = tmp_path / "bin" / "myipam"
    plugin.parent.mkdir()
    plugin.write_text(
        "#!/bin/sh\n"
        f"echo $CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME >> {log}\n"
        f"cat >> {log}\n"
        'test $CNI_COMMAND != ADD || echo \'{"cniVersion": "0.3.1", "ips": [{"version": "4", '
        '"address": "10.9.0.77/24", "gateway": "10.9.0.1"}]}\'\n'
    )
    plugin.chmod(0o755)
    pod = host.pod()
    conf = host.conf(ipam={"type": "myipam", "key": "value"})
    path = f"{plugin.parent}:{host.bin_dir}"
    result = host.call("bridge", "ADD", conf, "c1", pod, path=path)
    assert result["ips"][0]["address"] == "10.9.0.77/24"
    assert addresses(pod, "eth0") == ["10.9.0.77/24"]
    host.call("bridge", "DEL", {**conf, "prevResult": result}, "c1", pod, path=path)
    text = log.read_text()
    assert "ADD c1 eth0" in text
    assert "DEL c1 eth0" in text
    assert '"key": "value"' in text
    plugin.write_text('#!/bin/sh\necho \'{"code": 123, "msg": "no more"}\'\nexit 1\n')
    with pytest.raises(Exception, match="123: no more"):
        host.call("bridge", "ADD", conf, "c2", host.pod(), path=path)


def global_addresses(netns, link, version):
    return [
        item.split("/")[0]
        for item in netns.run(f"ip -o -{version} address show dev {link} scope global").stdout.split()
        if "/" in item
    ]


@pytest.mark.parametrize("mtu", [1450, None])
@pytest.mark.defect("bridge: a port with a small MTU takes the IPv6 gateway off the bridge")
def test_a_port_with_a_small_mtu_leaves_the_bridge_its_ipv6(host, way, mtu):
    """The bridge, which its first network made, keeps its MTU; the pods there their gateway."""
    conf = host.conf(isDefaultGateway=True, mtu=mtu)
    pod, small = host.pod(), host.pod()
    result = host.call("bridge", "ADD", conf, "c1", pod)
    other = host.conf(name="small", mtu=1000, isGateway=None)
    other["ipam"] = {**other["ipam"], "ranges": [[{"subnet": "10.9.5.0/24"}]]}
    assert host.call("bridge", "ADD", other, "c2", small)
    assert small.ip("link show dev eth0")[0]["mtu"] == 1000
    assert host.netns.ip("link show dev br0")[0]["mtu"] == (mtu or 1500)
    assert global_addresses(host.netns, "br0", 6) == ["fd09::1"]
    pod.run("ping -c 1 -W 2 fd09::1")
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)


@pytest.mark.parametrize("pinned", [False, True])
def test_permanent_neighbours_of_a_bridge_of_others_stay(host, way, pinned):
    """Whether the bridge took its MAC address from a port or was given one: it keeps it, and they stay."""
    run = host.netns.run
    run("ip link add br0 type bridge")
    run("ip link add port0 type veth peer name end0")
    run("ip link set port0 address 02:00:00:00:00:42")
    run("ip link set port0 master br0 up")
    if pinned:
        run("ip link set br0 address 02:00:00:00:00:43")
    run("ip link set br0 up")
    run("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev br0 nud permanent")
    run("ip neigh add fd02::9 lladdr 02:00:00:00:00:09 dev br0 nud permanent")
    before = host.netns.ip("link show dev br0")[0]["address"]
    for number in range(2):
        host.call("bridge", "ADD", host.conf(isDefaultGateway=True), f"c{number}", host.pod())
    assert host.netns.ip("link show dev br0")[0]["address"] == before
    lasting = {entry["dst"] for entry in host.netns.ip("neigh show dev br0") if "PERMANENT" in entry["state"]}
    assert {"192.0.2.9", "fd02::9"} <= lasting
