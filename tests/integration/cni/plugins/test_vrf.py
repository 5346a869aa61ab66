# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vrf: the pod's interface in a VRF with its addresses and routes; witnessed by ip."""

from __future__ import annotations

import pytest


@pytest.fixture
def chain(host):
    """A function that makes the chain ptp, vrf for a pod's interface: ADD's result."""
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}, {"dst": "192.0.2.0/24", "mtu": 1300, "priority": 7}]
    ipam = {**host.conf()["ipam"], "routes": routes}

    def add(pod, ifname="eth0", **keys):
        first = {"cniVersion": "1.1.0", "name": "net", "type": "ptp", "ipam": ipam}
        result = host.call("ptp", "ADD", first, "c1", pod, ifname=ifname)
        return host.call("vrf", "ADD", vrf(prevResult=result, **keys), "c1", pod, ifname=ifname)

    return add


def vrf(**keys):
    return {"cniVersion": "1.1.0", "name": "net", "type": "vrf", "vrfname": "blue", **keys}


def ways(pod, table, family="-4"):
    return {
        (item["dst"], item.get("gateway"), item.get("metric")) for item in pod.ip(f"{family} route show table {table}")
    }


@pytest.mark.defect("vrf: routes by a gateway are lost when the interface is put into the VRF")
def test_addresses_and_routes_go_along(host, needs, chain, failure):
    needs("vrf")
    pod = host.pod()
    result = chain(pod)
    (blue,) = pod.ip("link show dev blue")
    assert blue["linkinfo"]["info_data"]["table"] == 1
    assert "UP" in blue["flags"]
    (eth0,) = pod.ip("address show dev eth0")
    assert eth0["master"] == "blue"
    assert {"10.9.0.2", "fd09::2"} <= {item["local"] for item in eth0["addr_info"]}
    shown = ways(pod, 1)
    assert {("default", "10.9.0.1", None), ("10.9.0.0/24", "10.9.0.1", None), ("192.0.2.0/24", "10.9.0.1", 7)} <= shown
    assert ("default", "fd09::1", 1024) in ways(pod, 1, "-6")
    (route,) = pod.ip("route show table 1 192.0.2.0/24")
    assert route["metrics"] == [{"mtu": 1300}]
    assert not pod.ip("route show default")
    pod.run("ping -c 1 -W 5 -I blue 10.9.0.1")
    told = vrf(prevResult=result)
    host.call("vrf", "CHECK", told, "c1", pod)
    host.call("ptp", "CHECK", {**told, "type": "ptp", "ipam": host.conf()["ipam"]}, "c1", pod)
    with pytest.raises(failure, match="VRF blue has table 1, not 2"):
        host.call("vrf", "CHECK", vrf(prevResult=result, table=2), "c1", pod)
    pod.run("ip link set eth0 nomaster")
    with pytest.raises(failure, match="not in VRF blue"):
        host.call("vrf", "CHECK", told, "c1", pod)


def test_a_vrf_lives_as_long_as_it_has_interfaces(host, needs, chain, failure):
    needs("vrf")
    pod = host.pod()
    results = {name: chain(pod, name, table=77) for name in ("eth0", "eth1")}
    assert pod.ip("link show dev blue")[0]["linkinfo"]["info_data"]["table"] == 77
    with pytest.raises(failure, match="already a master set: blue"):
        host.call("vrf", "ADD", vrf(prevResult=results["eth1"]), "c1", pod, ifname="eth1")
    with pytest.raises(failure, match="already exists with table 77, not 78"):
        chain(pod, "eth2", table=78)
    assert "master" not in pod.ip("link show dev eth2")[0]
    for name in ("eth0", "eth0", "eth1"):
        assert [item for item in pod.ip("link") if item["ifname"] == "blue"]
        host.call("vrf", "DEL", vrf(prevResult=results[name]), "c1", pod, ifname=name)
    assert not [item for item in pod.ip("link") if item["ifname"] == "blue"]
    assert not [item for item in pod.ip("link") if item.get("master")]


@pytest.mark.defect("vrf: takes a table that routes, rules or the kernel itself have")
def test_a_free_table_is_chosen(host, needs, chain):
    needs("vrf")
    pod = host.pod()
    pod.run("ip link set lo up")
    pod.run("ip route add 198.51.100.0/24 dev lo table 1")
    pod.run("ip rule add from 203.0.113.1 table 2")
    pod.run("ip link add red type vrf table 3")
    chain(pod)
    assert pod.ip("link show dev blue")[0]["linkinfo"]["info_data"]["table"] == 4


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"vrfname": ""}, "vrfname is missing"),
        ({"vrfname": "a/b"}, "not a valid interface name"),
        ({"table": 254}, "the kernel's own"),
        ({"table": "main"}, "table"),
        ({"prevResult": None}, "chained plugin"),
    ],
)
def test_bad_configuration(host, failure, keys, word):
    with pytest.raises(failure, match=word) as caught:
        host.call("vrf", "ADD", vrf(**{"prevResult": {"cniVersion": "1.1.0"}, **keys}), "c1", host.pod())
    assert caught.value.code == 7


def test_nothing_to_do_without_interface_or_namespace(host, failure):
    with pytest.raises(failure, match="eth0 is missing"):
        host.call("vrf", "ADD", vrf(prevResult={"cniVersion": "1.1.0"}), "c1", host.pod())
    for pod in (host.pod(), "", "/run/netns/gone"):
        host.call("vrf", "DEL", vrf(), "c1", pod)
    host.call("vrf", "STATUS", vrf())
    host.call("vrf", "GC", {**vrf(), "cni.dev/valid-attachments": []})
