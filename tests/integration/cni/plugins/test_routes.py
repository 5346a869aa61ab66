# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several routes to one destination: whatever a result tells, the pod has."""

from __future__ import annotations

import pytest

ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}


def ways(pod, version, destination="default", table="main"):
    """The pod's next hops to a destination, as (link, gateway), in the order of preference; those of one route as a
    list."""
    found = []
    for item in pod.ip(f"-{version} route show {destination} table {table}"):
        hops = [(hop["dev"], hop.get("gateway")) for hop in item.get("nexthops", [])]
        found.append(sorted(hops) if hops else (item["dev"], item.get("gateway")))
    return found


def static(*gateways, plugin="macvlan", **more):
    """A network with two addresses and a default route through each gateway."""
    routes = [{"dst": ANYWHERE[6 if ":" in gateway else 4], "gw": gateway, **more} for gateway in gateways]
    addresses = [{"address": "192.0.2.5/24"}, {"address": "fd02::5/64"}]
    ipam = {"type": "static", "addresses": addresses, "routes": routes}
    return {"cniVersion": "1.1.0", "name": "net", "type": plugin, "ipam": ipam}


def test_two_default_routes_of_one_result_share_the_packets(host, way):
    """ECMP in both IP versions; metrics of their own make routes of their own."""
    conf = {**static("192.0.2.1", "192.0.2.2", "fd02::1", "fd02::2"), "type": "bridge", "bridge": "br0"}
    pod = host.pod()
    result = host.call("bridge", "ADD", conf, "c1", pod)
    assert ways(pod, 4) == [[("eth0", "192.0.2.1"), ("eth0", "192.0.2.2")]]
    assert ways(pod, 6) == [[("eth0", "fd02::1"), ("eth0", "fd02::2")]]
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)
    pod.run("ip route change default via 192.0.2.1")
    with pytest.raises(Exception, match=r"route to 0\.0\.0\.0/0 does not have gateway 192\.0\.2\.2"):
        host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)
    conf["ipam"]["routes"][1]["priority"] = conf["ipam"]["routes"][3]["priority"] = 7
    other = host.pod()
    result = host.call("bridge", "ADD", conf, "c2", other)
    assert sorted(ways(other, 4)) == [("eth0", "192.0.2.1"), ("eth0", "192.0.2.2")]
    assert sorted(ways(other, 6)) == [("eth0", "fd02::1"), ("eth0", "fd02::2")]
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c2", other)


def test_the_same_route_twice_is_one(host, way):
    conf = {**static("192.0.2.1", "192.0.2.1", "fd02::1", "fd02::1"), "type": "bridge", "bridge": "br0"}
    pod = host.pod()
    result = host.call("bridge", "ADD", conf, "c1", pod)
    assert ways(pod, 4) == [("eth0", "192.0.2.1")] and ways(pod, 6) == [("eth0", "fd02::1")]
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)


def two_networks(host, plugin, pod, gateway=None):
    """Connects the pod to two networks, each with a default route: their configurations and results."""
    found = []
    for number, ifname in enumerate(("eth0", "net1"), 1):
        conf = host.conf(name=f"net{number}", type=plugin, bridge=f"br{number}", isDefaultGateway=True)
        ranges = [{"subnet": f"10.9.{number}.0/24"}, {"subnet": f"fd09:{number}::/64"}]
        conf["ipam"] = {**conf["ipam"], "ranges": [[each] for each in ranges]}
        if gateway:  # host-local takes none outside its subnet
            address = {"address": f"10.9.{number}.2/24", "gateway": gateway}
            conf["ipam"] = {"type": "static", "addresses": [address]}
        if plugin == "ptp":
            conf["ipam"]["routes"] = [{"dst": ANYWHERE[4]}, *([] if gateway else [{"dst": ANYWHERE[6]}])]
        found.append((conf, host.call(plugin, "ADD", conf, "c1", pod, ifname)))
    return found


@pytest.mark.parametrize("plugin", ["bridge", "ptp"])
def test_a_second_network_with_a_default_route(host, way, plugin):
    """The later one is preferred, as with the Go plugins; each network's CHECK finds its own, and DEL takes no more."""
    pod = host.pod()
    networks = two_networks(host, plugin, pod)
    assert ways(pod, 4) == [("net1", "10.9.2.1"), ("eth0", "10.9.1.1")]
    assert ways(pod, 6) == [[("eth0", "fd09:1::1"), ("net1", "fd09:2::1")]]
    for (conf, result), ifname in zip(networks, ("eth0", "net1")):
        host.call(plugin, "CHECK", {**conf, "prevResult": result}, "c1", pod, ifname)
    conf, result = networks[1]
    host.call(plugin, "DEL", {**conf, "prevResult": result}, "c1", pod, "net1")
    assert ways(pod, 4) == [("eth0", "10.9.1.1")] and ways(pod, 6) == [("eth0", "fd09:1::1")]


def test_two_ptp_networks_with_the_same_gateway(host, way):
    """169.254.1.1 at the other end of both: each interface has its own way to it."""
    pod = host.pod()
    networks = two_networks(host, "ptp", pod, gateway="169.254.1.1")
    assert ways(pod, 4) == [("net1", "169.254.1.1"), ("eth0", "169.254.1.1")]
    assert sorted(ways(pod, 4, "169.254.1.1")) == [("eth0", None), ("net1", None)]
    for (conf, result), ifname in zip(networks, ("eth0", "net1")):
        host.call("ptp", "CHECK", {**conf, "prevResult": result}, "c1", pod, ifname)
        pod.run(f"ping -c 1 -W 2 -I {ifname} 169.254.1.1")


def test_sbr_moves_its_own_interfaces_ways_and_no_others(host, way):
    """Also where IPv6 has made one route of both interfaces' ways."""
    pod = host.pod()
    networks = two_networks(host, "bridge", pod)
    conf, result = networks[1]
    sbr = {"cniVersion": "1.1.0", "name": "net2", "type": "sbr", "prevResult": result}
    host.call("sbr", "ADD", sbr, "c1", pod, "net1")
    assert ways(pod, 4) == [("eth0", "10.9.1.1")] and ways(pod, 6) == [("eth0", "fd09:1::1")]
    assert ways(pod, 4, table="100") == [("net1", "10.9.2.1")]
    assert ways(pod, 6, table="101") == [("net1", "fd09:2::1")]
    host.call("sbr", "CHECK", sbr, "c1", pod, "net1")
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod, "net1")
    for address in ("10.9.2.1", "fd09:2::1"):
        pod.run(f"ping -c 1 -W 2 {address}")
    host.call("sbr", "DEL", sbr, "c1", pod, "net1")
    assert ways(pod, 6) == [("eth0", "fd09:1::1")]


def test_sbr_keeps_several_next_hops_together(host, way):
    conf = {**static("192.0.2.1", "192.0.2.2", "fd02::1", "fd02::2"), "type": "bridge", "bridge": "br0"}
    pod = host.pod()
    result = host.call("bridge", "ADD", conf, "c1", pod)
    sbr = {"cniVersion": "1.1.0", "name": "net", "type": "sbr", "prevResult": result}
    host.call("sbr", "ADD", sbr, "c1", pod)
    assert ways(pod, 4) == [] and ways(pod, 6) == []
    assert ways(pod, 4, table="100") == [[("eth0", "192.0.2.1"), ("eth0", "192.0.2.2")]]
    assert ways(pod, 6, table="101") == [[("eth0", "fd02::1"), ("eth0", "fd02::2")]]


def test_two_networks_of_one_vrf(host, way, needs):
    """Each has its default route there."""
    needs("vrf")
    pod = host.pod()
    for (conf, result), ifname in zip(two_networks(host, "bridge", pod), ("eth0", "net1")):
        vrf = {"cniVersion": "1.1.0", "name": conf["name"], "type": "vrf", "vrfname": "red", "prevResult": result}
        host.call("vrf", "ADD", vrf, "c1", pod, ifname)
        host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod, ifname)
    table = pod.ip("link show red")[0]["linkinfo"]["info_data"]["table"]
    assert sorted(ways(pod, 4, table=table)) == [("eth0", "10.9.1.1"), ("net1", "10.9.2.1")]
    assert ways(pod, 6, table=table) == [[("eth0", "fd09:1::1"), ("net1", "fd09:2::1")]]


def test_an_address_whose_last_owner_is_still_going(host, way):
    """ptp: the host's way to the pod leads to the new one, whatever was there."""
    conf = host.conf(type="ptp", runtimeConfig={"ips": ["10.9.0.50"]})
    host.netns.run("ip link add old type bridge")
    host.netns.run("ip link set old up")
    host.netns.run("ip route add 10.9.0.50/32 dev old scope host")
    pod = host.pod()
    host.call("ptp", "ADD", conf, "c1", pod)
    (route,) = host.netns.ip("route show 10.9.0.50")
    assert route["dev"] != "old"
    host.netns.run("ping -c 1 -W 2 10.9.0.50")
