# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ipvlan's own: modes and chains. What it shares with others is in cni/attach/test_interface.py."""

from __future__ import annotations

import pytest


@pytest.fixture
def conf(needs, host, outside):
    needs("ipvlan")

    def make(**more):
        base = {"cniVersion": "1.1.0", "name": "net", "type": "ipvlan", "master": "up0", "ipam": host.conf()["ipam"]}
        return {key: value for key, value in {**base, **more}.items() if value is not None}

    return make


@pytest.mark.parametrize("mode", ["l2", "l3", "l3s", ""])
def test_mode(host, conf, failure, mode):
    pod = host.pod()
    result = host.call("ipvlan", "ADD", conf(mode=mode), "c1", pod)
    assert pod.ip("link show dev eth0")[0]["linkinfo"]["info_data"]["mode"] == (mode or "l2")
    assert result["interfaces"][0]["mac"] == host.netns.ip("link show dev up0")[0]["address"]
    host.call("ipvlan", "CHECK", {**conf(mode=mode), "prevResult": result}, "c1", pod)
    with pytest.raises(failure, match="mode"):
        host.call("ipvlan", "CHECK", {**conf(mode="l3s" if mode == "l3" else "l3"), "prevResult": result}, "c1", pod)
    host.call("ipvlan", "DEL", {**conf(mode=mode), "prevResult": result}, "c1", pod)


def test_pods_reach_each_other_and_the_network(host, conf):
    pods = [host.pod(), host.pod()]
    for number, pod in enumerate(pods):
        host.call("ipvlan", "ADD", conf(), f"c{number}", pod)
    for address in ("10.9.0.3", "fd09::3", "10.9.0.1", "fd09::1"):
        pods[0].run(f"ping -c 1 -W 5 {address}")


def test_master_and_addresses_of_the_plugin_before_it(host, conf, failure):
    previous = {
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "up0"}],
        "ips": [{"address": "10.9.0.88/24", "gateway": "10.9.0.1", "interface": 0}],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    pod = host.pod()
    wanted = conf(master=None, ipam=None, prevResult=previous)
    result = host.call("ipvlan", "ADD", wanted, "c1", pod)
    assert [item["name"] for item in result["interfaces"]] == ["eth0"]
    assert pod.ip("address show dev eth0")[0]["addr_info"][0]["local"] == "10.9.0.88"
    assert pod.ip("route show default")[0]["gateway"] == "10.9.0.1"
    previous["interfaces"].append({"name": "up9"})
    with pytest.raises(failure, match="chained master failure"):
        host.call("ipvlan", "ADD", wanted, "c2", host.pod())
    with pytest.raises(failure, match="requires an IPAM configuration"):
        host.call("ipvlan", "ADD", conf(ipam=None), "c2", host.pod())


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"mode": "bridge"}, "unknown ipvlan mode: 'bridge'"),
        ({"linkInContainer": 1}, "linkInContainer"),
        ({"mtu": -1}, "mtu"),
    ],
)
def test_bad_configuration(host, failure, more, word):
    wanted = {"cniVersion": "1.1.0", "name": "net", "type": "ipvlan", "master": "up0", **more}
    with pytest.raises(failure, match=word) as caught:
        host.call("ipvlan", "ADD", wanted, "c1", host.pod())
    assert caught.value.code == 7
