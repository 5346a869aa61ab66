# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sbr: rules and tables of the pod's interfaces; witnessed by ip, and by the way that packets take."""

from __future__ import annotations

import concurrent.futures
import subprocess

import pytest


@pytest.fixture
def network(host):
    """A function that gives a pod an interface of its own subnets by bridge and sbr: the result of the chain."""

    def add(pod, ifname, number, **keys):
        result = before(pod, ifname, number)
        return host.call("sbr", "ADD", sbr(prevResult=result, **keys), "c1", pod, ifname=ifname)

    def before(pod, ifname, number, **more):
        ipam = {
            "type": "host-local",
            "dataDir": str(host.data),
            "ranges": [[{"subnet": f"10.{number}.0.0/24"}], [{"subnet": f"fd0{number}::/64"}]],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}, {"dst": "192.0.2.0/24"}],
            **more,
        }
        conf = {"cniVersion": "1.1.0", "name": f"net{number}", "type": "bridge", "bridge": f"br{number}"}
        return host.call("bridge", "ADD", {**conf, "isGateway": True, "ipam": ipam}, "c1", pod, ifname=ifname)

    add.before = before
    return add


def sbr(**keys):
    return {"cniVersion": "1.1.0", "name": "net", "type": "sbr", **keys}


def rules(pod):
    """Source → table, of the rules that are for one address."""
    return {
        item["src"]: int(item["table"].replace("main", "254"))
        for family in "46"
        for item in pod.ip(f"-{family} rule")
        if item["src"] != "all"
    }


def ways(pod, table, family="-4"):
    return {(item["dst"], item.get("gateway")) for item in pod.ip(f"{family} route show table {table}")}


def test_each_address_has_its_table(host, network):
    pod = host.pod()
    result = network(pod, "net1", 1)
    assert rules(pod) == {"10.1.0.2": 100, "fd01::2": 101}
    assert ways(pod, 100) == {("default", "10.1.0.1"), ("10.1.0.0/24", None), ("192.0.2.0/24", "10.1.0.1")}
    assert ways(pod, 101, "-6") == {("default", "fd01::1"), ("fd01::/64", None)}
    assert not pod.ip("route show dev net1")
    assert [item["dst"] for item in pod.ip("-6 route show dev net1")] == ["fe80::/64"]
    assert [item["address"] for item in result["ips"]] == ["10.1.0.2/24", "fd01::2/64"]
    for address in ("10.1.0.2", "fd01::2"):
        gateway = address[:-1] + "1"
        pod.run(f"ping -c 1 -W 2 -I {address} {gateway}")
    host.call("sbr", "CHECK", sbr(prevResult=result), "c1", pod, ifname="net1")


def test_each_source_leaves_by_its_own_interface(host, network):
    pod = host.pod()
    network.before(pod, "eth0", 1)
    for number in (2, 3):
        network(pod, f"net{number}", number)
    assert rules(pod) == {"10.2.0.2": 100, "fd02::2": 101, "10.3.0.2": 102, "fd03::2": 103}
    for number, name in ((1, "eth0"), (2, "net2"), (3, "net3")):
        for target, source in (("198.51.100.1", f"10.{number}.0.2"), ("2001:db8::1", f"fd0{number}::2")):
            (way,) = pod.ip(f"route get {target} from {source}")
            assert (way["dev"], way["gateway"]) == (name, source[:-1] + "1")
    assert pod.ip("route get 198.51.100.1")[0]["dev"] == "eth0"


@pytest.mark.defect("sbr: DEL fails when the interface or the namespace is gone")
@pytest.mark.parametrize("known", [True, False])
def test_del_takes_rules_and_routes_and_is_repeatable(host, network, known):
    pod = host.pod()
    result = network(pod, "net1", 1)
    pod.run("ip rule add from 10.1.0.2 table 254 priority 50")  # not one of ours
    conf = sbr(prevResult=result) if known else sbr()
    host.call("sbr", "DEL", conf, "c1", pod, ifname="net1")
    assert rules(pod) == {"10.1.0.2": 254}
    assert not ways(pod, 100)
    assert not ways(pod, 101, "-6")
    pod.run("ip link delete net1")
    for where in (pod, "", "/run/netns/gone"):
        host.call("sbr", "DEL", conf, "c1", where, ifname="net1")


@pytest.mark.defect("sbr: CHECK is a stub")
@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("ip rule delete from 10.1.0.2", "rule from 10.1.0.2/32 is missing"),
        ("ip -6 rule delete from fd01::2", "rule from fd01::2/128 is missing"),
        ("ip route delete default table 100", "table 100 of 10.1.0.2/32 has no default route"),
        ("ip link delete net1", "net1 is missing"),
    ],
)
def test_check_finds(host, network, failure, command, word):
    pod = host.pod()
    result = network(pod, "net1", 1)
    pod.run(command)
    with pytest.raises(failure, match=word):
        host.call("sbr", "CHECK", sbr(prevResult=result), "c1", pod, ifname="net1")


@pytest.mark.defect("sbr: takes the routes of link-local addresses out of the main table")
def test_link_local_neighbours_stay_reachable(host, network):
    pod = host.pod()
    network(pod, "net1", 1)
    local = next(
        item["local"] for item in host.netns.ip("address show dev br1")[0]["addr_info"] if item["scope"] == "link"
    )
    (way,) = pod.ip(f"-6 route get {local} oif net1")
    assert way["dev"] == "net1"


def test_tables_that_are_taken_are_not_touched(host, network):
    pod = host.pod()
    pod.run("ip link set lo up")
    pod.run("ip route add 198.51.100.0/24 dev lo table 100")
    pod.run("ip rule add from 203.0.113.1 table 101")
    network(pod, "net1", 1)
    assert rules(pod) == {"203.0.113.1": 101, "10.1.0.2": 102, "fd01::2": 103}


def test_table_that_is_configured(host, network, failure):
    """Its routes are others': those that the address management put there, for instance; none is moved."""
    pod = host.pod()
    routes = [{"dst": "0.0.0.0/0", "table": 5001}, {"dst": "::/0", "table": 5001}]
    before = network.before(pod, "net1", 1, routes=routes)
    conf = sbr(prevResult=before, table=5001)
    host.call("sbr", "ADD", conf, "c1", pod, ifname="net1")
    assert rules(pod) == {"10.1.0.2": 5001, "fd01::2": 5001}
    assert ways(pod, 5001) == {("default", "10.1.0.1")}
    assert [item["dst"] for item in pod.ip("route show dev net1")] == ["10.1.0.0/24"]
    host.call("sbr", "CHECK", conf, "c1", pod, ifname="net1")
    host.call("sbr", "DEL", conf, "c1", pod, ifname="net1")
    assert rules(pod) == {}
    assert ways(pod, 5001) == {("default", "10.1.0.1")}


def test_add_that_fails_undoes_what_it_did(host, network, failure):
    pod = host.pod()
    before = network.before(pod, "net1", 1)
    pod.run("ip -6 route delete default")
    main = [ways(pod, "main"), ways(pod, "main", "-6")]
    before["ips"][1]["gateway"] = "2001:db8::1"  # on no link
    with pytest.raises(failure, match="source based routing for net1"):
        host.call("sbr", "ADD", sbr(prevResult=before), "c1", pod, ifname="net1")
    assert rules(pod) == {}
    assert [ways(pod, "main"), ways(pod, "main", "-6")] == main
    assert not ways(pod, 100)


def test_interfaces_of_one_pod_at_once(host, network):
    """No two of them get one table."""
    pod = host.pod()
    results = {f"net{number}": network.before(pod, f"net{number}", number) for number in range(1, 5)}

    def add(name):
        host.call("sbr", "ADD", sbr(prevResult=results[name]), "c1", pod, ifname=name)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(add, results))
    assert sorted(rules(pod).values()) == list(range(100, 108))


def test_a_lock_on_the_namespace_s_file_stalls_nothing(host, way, network):
    """Whoever can read the file may have it: a process of the pod's, any user of the host."""
    pod = host.pod()
    told = sbr(prevResult=network.before(pod, "net1", 1))
    hold = (
        "import fcntl, os, sys, time; os.setuid(65534); file = open(sys.argv[1], 'rb');"
        "fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); time.sleep(180)"
    )
    holder = subprocess.Popen(["python3", "-c", hold, pod.path], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline()
        for command in ("ADD", "CHECK", "DEL"):
            host.call("sbr", command, told, "c1", pod, ifname="net1")
        assert holder.poll() is None, "it was waited for"
    finally:
        holder.kill()
        holder.communicate()


@pytest.mark.parametrize(
    ("keys", "word", "code"),
    [
        ({"prevResult": None}, "chained plugin", 7),
        ({"prevResult": {"cniVersion": "1.1.0"}}, "No IP addresses supplied", 999),
        ({"table": -1}, "table", 7),
        ({"addSourceHints": "x"}, "addSourceHints", 7),
    ],
)
def test_bad_configuration(host, failure, keys, word, code):
    previous = {"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.2/24"}]}
    with pytest.raises(failure, match=word) as caught:
        host.call("sbr", "ADD", sbr(**{"prevResult": previous, **keys}), "c1", host.pod(), ifname="net1")
    assert caught.value.code == code


def test_every_version_passes_the_result_on(host, network):
    for number, version in enumerate(["0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]):
        pod = host.pod()
        before = network.before(pod, "net1", number + 1)
        if version == "0.2.0":
            before = {
                "cniVersion": version,
                "ip4": {"ip": before["ips"][0]["address"], "gateway": f"10.{number + 1}.0.1"},
            }
        else:
            before["cniVersion"] = version
        result = host.call("sbr", "ADD", sbr(prevResult=before, cniVersion=version), "c1", pod, ifname="net1")
        assert result["cniVersion"] == version
        assert f"10.{number + 1}.0.2" in rules(pod)


@pytest.mark.parametrize("before", ["bridge", "ptp"])
def test_the_plugin_before_it_finds_its_routes_where_they_are_now(host, failure, before):
    pod, conf = host.pod(), {**host.conf(isDefaultGateway=True), "type": before}
    conf["ipam"]["routes"] = [{"dst": "192.0.2.0/24"}]
    result = host.call(before, "ADD", conf, "c1", pod)
    host.call("sbr", "ADD", sbr(prevResult=result), "c1", pod)
    host.call(before, "CHECK", {**conf, "prevResult": result}, "c1", pod)
    pod.run("ip route delete 192.0.2.0/24 table 100")
    with pytest.raises(failure, match=r"192\.0\.2\.0/24 is missing"):
        host.call(before, "CHECK", {**conf, "prevResult": result}, "c1", pod)


# -- gateways and addSourceHints ------------------------------------------------------------------------------------


@pytest.mark.parametrize("routes", [[], [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]])
def test_gateways_replace_those_of_the_result(host, network, failure, routes):
    """Also where the chain has made a default route by the result's gateway."""
    pod = host.pod()
    previous = network.before(pod, "net1", 1, routes=routes)
    conf = sbr(prevResult=previous, gateways=["10.1.0.254", "fd01::00fe"])
    host.call("sbr", "ADD", conf, "c1", pod, ifname="net1")
    assert [way for way in ways(pod, 100) if way[0] == "default"] == [("default", "10.1.0.254")]
    assert [way for way in ways(pod, 101, "-6") if way[0] == "default"] == [("default", "fd01::fe")]
    host.call("sbr", "CHECK", conf, "c1", pod, ifname="net1")
    pod.run("ip route replace default via 10.1.0.1 table 100")
    with pytest.raises(failure, match=r"no default route by 10\.1\.0\.254"):
        host.call("sbr", "CHECK", conf, "c1", pod, ifname="net1")


def test_one_gateway_leaves_the_other_family_its_own(host, network):
    pod = host.pod()
    network(pod, "net1", 1, gateways=["10.1.0.254"])
    assert ("default", "10.1.0.254") in ways(pod, 100)
    assert ("default", "fd01::1") in ways(pod, 101, "-6")


@pytest.mark.parametrize("gateways", [["10.1.0.9", "10.1.0.8"], ["fd01::9", "10.1.0.8", "fd01::8"], ["x"], "10.1.0.9"])
def test_gateways_that_are_not_one_of_each_family(host, network, failure, gateways):
    pod = host.pod()
    previous = network.before(pod, "net1", 1)
    before = pod.ip("route"), pod.ip("-6 route"), pod.ip("rule")
    with pytest.raises(failure, match="gateways"):
        host.call("sbr", "ADD", sbr(prevResult=previous, gateways=gateways), "c1", pod, ifname="net1")
    assert (pod.ip("route"), pod.ip("-6 route"), pod.ip("rule")) == before


def test_source_hints_keep_the_way_to_the_subnet(host, network):
    """A socket without a source address reaches the interface's neighbors by the interface, and from its address."""
    pod = host.pod()
    network.before(pod, "eth0", 1)
    network(pod, "net2", 2, addSourceHints=True)
    for target, source in (("10.2.0.1", "10.2.0.2"), ("fd02::1", "fd02::2")):
        (way,) = pod.ip(f"route get {target}")
        assert (way["dev"], way["prefsrc"]) == ("net2", source)
        pod.run(f"ping -c 1 -W 2 {target}")
    assert pod.ip("route get 198.51.100.1")[0]["dev"] == "eth0", "the gateway's routes have left the main table"
    assert pod.ip("route get 192.0.2.9")[0]["dev"] == "eth0"
    assert [item["dst"] for item in pod.ip("route show dev net2")] == ["10.2.0.0/24"]
    assert {item["dst"] for item in pod.ip("-6 route show dev net2")} == {"fd02::/64", "fe80::/64"}
    assert ways(pod, 100) == {("default", "10.2.0.1"), ("10.2.0.0/24", None), ("192.0.2.0/24", "10.2.0.1")}


def test_two_interfaces_in_one_subnet_keep_a_hint_each(host, network):
    """Go replaces the first interface's route by the second one's."""
    pod = host.pod()
    network(pod, "net1", 1, addSourceHints=True)
    ipam = {"type": "static", "addresses": [{"address": "10.1.0.77/24"}, {"address": "fd01::77/64"}]}
    conf = {"cniVersion": "1.1.0", "name": "other", "type": "bridge", "bridge": "br1", "ipam": ipam}
    result = host.call("bridge", "ADD", conf, "c1", pod, ifname="net2")
    host.call("sbr", "ADD", sbr(prevResult=result, addSourceHints=True), "c1", pod, ifname="net2")
    for family, subnet in (("-4", "10.1.0.0/24"), ("-6", "fd01::/64")):
        there = {(item["dev"], item["prefsrc"]) for item in pod.ip(f"{family} route show {subnet}")}
        network_part = subnet.partition("0/")[0] if family == "-4" else "fd01::"
        assert there == {("net1", f"{network_part}2"), ("net2", f"{network_part}77")}
