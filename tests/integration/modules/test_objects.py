# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules link, address, route, neighbour, fdb: check, run, run again, away; witnessed by ip and bridge."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def node(netns):
    """A namespace with a dummy-like port: one end of a veth pair with an address, up."""
    netns.run("ip link add eth0 type veth peer name other")
    for name in ("eth0", "other"):  # no link-local addresses, which come when they like
        netns.run(f"ip link set {name} addrgenmode none")
    netns.run("ip link set other up")
    netns.run("ip link set eth0 up")
    netns.run("ip address add 192.0.2.1/24 dev eth0")
    netns.run("ip address add 2001:db8::1/64 dev eth0 nodad")
    netns.run("ip link add vx0 type vxlan id 5 local 192.0.2.1 dev eth0 dstport 8472 nolearning")
    netns.run("ip link set vx0 addrgenmode none")
    netns.run("ip link set vx0 up")
    return netns


def cycle(run_module, node, name: str, witness, /, **arguments) -> dict:
    """Check mode predicts and does nothing; the run does it; again does nothing; absent takes it away, once.

    WITNESS tells what the kernel has of it, falsy for nothing. Returns the first run's result.
    """
    assert not witness()
    predicted = run_module(node, name, check=True, **arguments)
    assert predicted["changed"] and not witness()
    done = run_module(node, name, **arguments)
    assert done["changed"] and witness()
    assert (done["changes"], done["diff"]) == (predicted["changes"], predicted["diff"])
    assert [(part["before_header"], part["before"]) for part in done["diff"]] == [("kernel", "")]
    seen = witness()
    again = run_module(node, name, **arguments)
    assert not again["changed"] and again["changes"] == again["diff"] == []
    assert witness() == seen
    assert run_module(node, name, check=True, state="absent", **arguments)["changed"] and witness() == seen
    assert run_module(node, name, state="absent", **arguments)["changed"] and not witness()
    assert not run_module(node, name, state="absent", **arguments)["changed"]
    return done


def seen(node) -> str:
    """What the kernel has, without carrier states, which come when they like."""
    all_links = [
        [link.get(key) for key in ("ifname", "address", "mtu", "ifalias", "master")] for link in node.ip("link")
    ]
    addresses = [link["addr_info"] for link in node.ip("address")]
    return json.dumps([all_links, addresses, node.ip("route")])


def links(node, name: str) -> list:
    return [link for link in node.ip("link") if link["ifname"] == name]


def test_link_bridge(run_module, node):
    done = cycle(
        run_module, node, "link", lambda: [(link["address"], link["mtu"]) for link in links(node, "br0")],
        name="br0", kind="bridge", mac="02:00:00:00:00:0A", mtu=1450,
    )  # fmt: skip
    assert done["changes"] == ["add link br0"]


def test_link_vxlan_and_what_makes_it_be_made_anew(run_module, node):
    data = {"id": 7, "link": "eth0", "local": "192.0.2.1", "port": 4789, "learning": False}
    run_module(node, "link", name="vx7", kind="vxlan", data=data)
    (link,) = links(node, "vx7")
    seen = link["linkinfo"]["info_data"]
    assert (seen["id"], seen["link"], seen["local"], seen["port"], seen["learning"]) == (
        7,
        "eth0",
        "192.0.2.1",
        4789,
        False,
    )
    assert not run_module(node, "link", name="vx7", kind="vxlan", data=data)["changed"]
    changed = run_module(node, "link", name="vx7", kind="vxlan", data={**data, "learning": True})
    assert changed["changes"][0].startswith("change link vx7: data ")
    assert links(node, "vx7")[0]["linkinfo"]["info_data"]["learning"]
    assert links(node, "vx7")[0]["ifindex"] == link["ifindex"]
    anew = run_module(node, "link", name="vx7", kind="vxlan", data={**data, "id": 8})
    assert anew["changes"][0].startswith("recreate link vx7")
    assert links(node, "vx7")[0]["linkinfo"]["info_data"]["id"] == 8


def test_link_changes_a_physical_one_in_place(run_module, node):
    index = links(node, "eth0")[0]["ifindex"]
    done = run_module(node, "link", name="eth0", mtu=1400, alias="uplink")
    assert "mtu 1500 → 1400" in done["changes"][0]
    (link,) = links(node, "eth0")
    assert (link["ifindex"], link["mtu"], link["ifalias"]) == (index, 1400, "uplink")
    assert run_module(node, "link", name="eth0", up=False)["changed"]
    assert "UP" not in links(node, "eth0")[0]["flags"]


def test_link_as_a_bridges_port(run_module, node):
    run_module(node, "link", name="br0", kind="bridge")
    run_module(node, "link", name="eth0", master="br0", port={"hairpin": True})
    (link,) = links(node, "eth0")
    assert link["master"] == "br0" and link["linkinfo"]["info_slave_data"]["hairpin"]
    assert not run_module(node, "link", name="eth0", master="br0", port={"hairpin": True})["changed"]
    assert run_module(node, "link", name="eth0", master="")["changed"]
    assert "master" not in links(node, "eth0")[0]


@pytest.mark.parametrize(("address", "shown"), [("10.9.0.1/24", "10.9.0.1"), ("2001:DB8:1::01/64", "2001:db8:1::1")])
def test_address(run_module, node, address, shown):
    def witness():
        return [
            (entry["local"], entry["prefixlen"])
            for link in node.ip("address show dev eth0")
            for entry in link["addr_info"]
            if entry["local"] == shown
        ]

    cycle(run_module, node, "address", witness, dev="eth0", address=address)
    assert node.ip("address show dev eth0")[0]["addr_info"][0]["local"] == "192.0.2.1", "another address was touched"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dst": "198.51.100.0/24", "gateway": "192.0.2.9"}, "198.51.100.0/24"),
        ({"dst": "198.51.100.0/24", "gateway": "198.51.100.0", "dev": "vx0", "onlink": True}, "198.51.100.0/24"),
        ({"dst": "198.51.100.7", "dev": "eth0", "mtu": 1400, "src": "192.0.2.1"}, "198.51.100.7"),
        ({"dst": "198.51.100.0/24", "type": "blackhole"}, "198.51.100.0/24"),
        ({"dst": "198.51.100.0/24", "gateway": "192.0.2.9", "metric": 50, "protocol": 112}, "198.51.100.0/24"),
        ({"dst": "2001:DB8:5::/48", "gateway": "2001:db8::9"}, "2001:db8:5::/48"),
        ({"dst": "2001:db8:5::/48", "gateway": "2001:db8:5::", "dev": "vx0", "onlink": True}, "2001:db8:5::/48"),
    ],
)
def test_route(run_module, node, arguments, words):
    family = "-6" if ":" in words else "-4"

    def witness():
        return [route for route in node.ip(f"{family} route show") if route["dst"] == words]

    cycle(run_module, node, "route", witness, **arguments)


def test_route_in_another_table(run_module, node):
    def witness():
        return [route["dst"] for route in node.ip("route show table all") if route.get("table") == "1000"]

    cycle(run_module, node, "route", witness, dst="0.0.0.0/0", gateway="192.0.2.9", table=1000)


def test_route_is_changed_in_place_and_told(run_module, node):
    run_module(node, "route", dst="198.51.100.0/24", gateway="192.0.2.8")
    done = run_module(node, "route", dst="198.51.100.0/24", gateway="192.0.2.9")
    assert done["changes"] == ["change route 198.51.100.0/24: gateway 192.0.2.8 → 192.0.2.9"]
    (diff,) = done["diff"]
    assert "gateway=192.0.2.8" in diff["before"] and "gateway=192.0.2.9" in diff["after"]
    (route,) = node.ip("route show 198.51.100.0/24")
    assert route["gateway"] == "192.0.2.9"


@pytest.mark.parametrize("dst", ["198.51.100.1", "2001:DB8::5"])
def test_neighbour(run_module, node, dst):
    def witness():
        return [
            (entry["lladdr"], entry["state"])
            for entry in node.ip("neigh show dev vx0 nud permanent")
            if entry["dst"] == dst.lower()
        ]

    cycle(run_module, node, "neighbour", witness, dev="vx0", dst=dst, mac="02:00:00:00:00:0B")


def test_fdb(run_module, node):
    def witness():
        return [
            (entry["dst"], entry["state"])
            for entry in node.bridge("fdb show dev vx0")
            if entry["mac"] == "02:00:00:00:00:0c"
        ]

    cycle(run_module, node, "fdb", witness, dev="vx0", mac="02:00:00:00:00:0C", dst="192.0.2.77")


def test_fdb_to_another_vtep_replaces_the_entry(run_module, node):
    for dst in ("192.0.2.77", "192.0.2.78"):
        assert run_module(node, "fdb", dev="vx0", mac="02:00:00:00:00:0c", dst=dst)["changed"]
    entries = [entry["dst"] for entry in node.bridge("fdb show dev vx0") if entry["mac"] == "02:00:00:00:00:0c"]
    assert entries == ["192.0.2.78"]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("link", {"name": "a-name-of-16-char", "kind": "bridge"}, "give 1 to 15 characters"),
        ("link", {"name": "nosuch"}, "link nosuch does not exist: give its kind to create it"),
        (
            "link",
            {"name": "x", "kind": "bridge", "data": {"vni": 1}},
            "a bridge link has no value 'vni'; it has forward_delay",
        ),
        ("link", {"name": "x", "kind": "bridge", "mac": "zz"}, "'zz' is not a MAC address"),
        ("link", {"name": "x", "kind": "vxlan", "data": {"id": 5, "link": "nosuch"}}, "link nosuch does not exist"),
        ("address", {"dev": "eth0", "address": "10.0.0.300/24"}, "'10.0.0.300' is not an IP address"),
        ("address", {"dev": "nosuch", "address": "10.0.0.1/24"}, "link nosuch does not exist"),
        ("route", {"dst": "10.0.0.0/8"}, "give dev, gateway or both"),
        ("route", {"dst": "10.0.0.0/8", "gateway": "203.0.113.1"}, "add route 10.0.0.0/8: Nexthop has invalid gateway"),
        ("route", {"dst": "10.0.0.0/x", "gateway": "192.0.2.9"}, "is not a prefix"),
        ("neighbour", {"dev": "eth0", "dst": "x", "mac": "02:00:00:00:00:01"}, "'x' is not an IP address"),
        ("neighbour", {"dev": "eth0", "dst": "192.0.2.5"}, "mac"),
        ("fdb", {"dev": "nosuch", "mac": "02:00:00:00:00:01", "dst": "192.0.2.5"}, "link nosuch does not exist"),
    ],
)
def test_wrong_arguments_are_refused_with_the_reason(run_module, node, name, arguments, words):
    before = seen(node)
    result = run_module(node, name, fails=True, **arguments)
    assert words in result["msg"]
    assert seen(node) == before
