# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods of one host on several networks: what one's network excepts from masquerade concerns nobody else."""

from __future__ import annotations

import pytest

RANGE = {4: "192.0.2.0/24", 6: "fd02::/64"}
OUTSIDE = {4: "192.0.2.2", 6: "fd02::2"}


@pytest.fixture
def lan(host, make_netns):
    """The host's uplink up0 (192.0.2.1) with a neighbour, which knows no way to pods."""
    outside = make_netns()
    host.netns.run(f"ip link add up0 type veth peer name up1 netns {outside.name}")
    for netns, dev, last in ((host.netns, "up0", 1), (outside, "up1", 2)):
        netns.run(f"ip link set {dev} up")
        netns.run(f"ip address add 192.0.2.{last}/24 dev {dev}")
        netns.run(f"ip address add fd02::{last}/64 dev {dev} nodad")
    return outside


def ping(pod, version):
    return pod.run(f"ping -c 1 -w 5 {OUTSIDE[version]}", check=False).returncode == 0


def on_the_lan(host, kind):
    """A network whose pods have addresses of the LAN."""
    start, end = ("192.0.2.100", "192.0.2.120"), ("fd02::100", "fd02::120")
    ranges = [
        [{"subnet": RANGE[4], "rangeStart": start[0], "rangeEnd": start[1], "gateway": "192.0.2.254"}],
        [{"subnet": RANGE[6], "rangeStart": end[0], "rangeEnd": end[1], "gateway": "fd02::fffe"}],
    ]
    ipam = {"type": "host-local", "dataDir": str(host.data), "ranges": ranges}
    conf = {"cniVersion": "1.1.0", "name": "lan", "ipam": ipam}
    if kind == "macvlan":
        return {**conf, "type": "macvlan", "master": "up0"}
    host.netns.run("ip link add br-lan type bridge")
    host.netns.run("ip address flush dev up0 scope global")
    host.netns.run("ip link set up0 master br-lan")
    host.netns.run("ip link set br-lan up")
    host.netns.run("ip address add 192.0.2.1/24 dev br-lan")
    host.netns.run("ip address add fd02::1/64 dev br-lan nodad")
    return {**conf, "type": "bridge", "bridge": "br-lan", "ipMasq": kind == "bridge with ipMasq"}


@pytest.mark.parametrize("kind", ["macvlan", "bridge", "bridge with ipMasq"])
@pytest.mark.parametrize("plugin", ["bridge", "ptp"])
def test_a_pod_on_the_lan_leaves_masqueraded_pods_their_way(host, lan, way, kind, plugin, needs, empty):
    needs(*({"macvlan", "bridge"} & {kind}))
    conf = {**host.conf(isDefaultGateway=True, ipMasq=True), "type": plugin}
    if plugin == "ptp":
        conf["ipam"]["routes"] = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    pod = host.pod()
    private = host.call(plugin, "ADD", conf, "c1", pod)
    main = on_the_lan(host, kind)
    assert ping(pod, 4) and ping(pod, 6)
    guest = host.pod()
    result = host.call(main["type"], "ADD", main, "c2", guest)
    ports = {"portMappings": [{"hostPort": 8080, "containerPort": 80}]}
    portmap = {"cniVersion": "1.1.0", "name": "lan", "type": "portmap", "runtimeConfig": ports, "prevResult": result}
    host.call("portmap", "ADD", portmap, "c2", guest)
    assert ping(pod, 4) and ping(pod, 6)
    assert ping(guest, 4) and ping(guest, 6)
    host.call(plugin, "CHECK", {**conf, "prevResult": private}, "c1", pod)
    host.call("portmap", "DEL", portmap, "c2", guest)
    host.call(main["type"], "DEL", {**main, "prevResult": result}, "c2", guest)
    assert ping(pod, 4) and ping(pod, 6)
    host.call(plugin, "DEL", {**conf, "prevResult": private}, "c1", pod)
    assert host.state()["elements"] == empty["elements"]
    names = [item["chain"]["name"] for item in host.netns.nft("list table inet podnet") if "chain" in item]
    assert not [name for name in names if name.startswith(("masquerade", "hairpin"))]


def test_subnets_that_overlap_each_have_their_own_exception(host, lan):
    """A /25 within a /24: a pod of the latter is masqueraded outside the /24 and nowhere else, whoever came first."""
    pods = []
    for number, subnet in enumerate(("10.9.0.0/25", "10.9.0.0/24")):
        conf = host.conf(name=f"net{number}", bridge=f"br{number}", isDefaultGateway=True, ipMasq=True)
        conf["ipam"] = {**conf["ipam"], "ranges": [[{"subnet": subnet, "rangeStart": f"10.9.0.{number + 1}0"}]]}
        pods.append(host.pod())
        host.call("bridge", "ADD", conf, f"c{number}", pods[-1])
        if number == 0:
            assert ping(pods[0], 4)
            host.netns.run("ip link set br0 down")  # two ways to one subnet are not this test's
    assert ping(pods[1], 4)
    rules = host.netns.run("nft list table inet podnet").stdout
    assert "ip daddr != 10.9.0.0/25" in rules and "ip daddr != 10.9.0.0/24" in rules
