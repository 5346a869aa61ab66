# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of a path (tests/faults) is injected with tools that are not ours; the verdict must be the right finding
at the right hop, and after the fix all must be clean again.
"""

from __future__ import annotations

import json

import faults
import pytest

FAULTS = faults.load(faults.PATHS, faults.OTHERS, faults.FOREIGN)


def names(cluster, version: int = 4) -> dict[str, str]:
    """What a fault's symbols stand for here."""
    known = {}
    for node in cluster.nodes:
        number, (one, other) = node.number, node.pods
        which = 1 if version == 6 else 0
        block = node.cidrs[which].partition("/")[0]  # that of IPv4 ends in a zero, that of IPv6 in colons
        own = {
            "N": node.addresses[which],
            "C": node.cidrs[which],
            "A": one.addresses[which],
            "B": other.addresses[which],
        }
        own |= {"V": block, "G": f"{block.removesuffix('0')}1", "S": f"port{number}", "H": one.host}
        own["M"] = node.netns.ip("link show flannel.1")[0]["address"]
        own["P"] = one.netns.ip("link show eth0")[0]["address"]
        own["U"] = node.netns.ip("link show eth0")[0]["address"]
        known |= {f"{letter}{number}": value for letter, value in own.items()}
        known |= {f"H{number}B": other.host, node.name: node.name}
    return known


def place(cluster, name: str):
    """The namespace of that name, and the node that it is or is on."""
    if name == "switch":
        return cluster.switch, None
    for node in cluster.nodes:
        if node.name == name:
            return node.netns, node
        for pod in node.pods:
            if pod.name == f"default/{name}":
                return pod.netns, node
    raise KeyError(name)


def run(cluster, fault: dict, steps: list[str], known: dict[str, str]) -> None:
    def at(name: str, script: str) -> None:
        netns, node = place(cluster, name)
        if script == "apply":
            node.ctl("apply")
        else:
            netns.run("sh", "-ec", script)

    faults.run(fault, steps, known, at)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["name"].replace(" ", "-"))
def test_a_fault_is_named(cluster, impatient, fault):
    named(cluster, fault, names(cluster), fault.get("ends", ["a1", "a2"]))


def named(cluster, fault: dict, known: dict[str, str], ends: list[str]) -> None:
    """Inject the fault: the verdict on the path between these ends is it; after the fix nothing is found."""
    wanted = fault["verdict"]
    try:
        run(cluster, fault, fault["inject"], known)
        place = (wanted["node"], wanted["step"])
        found = cluster.asked(place, *ends, packets=fault.get("packets", False))
        told = json.dumps([found["verdict"], found["notes"]], indent=1)
        assert not found["ok"], told
        assert found["verdict"], [probe for probe in found["probes"] if not probe["ok"]]
        assert (found["verdict"]["node"], found["verdict"]["step"]) == place, told
        assert faults.judged(wanted, found["verdict"], known), told
        assert found["verdict"]["fix"], told
    finally:
        run(cluster, fault, fault["fix"], known)
    after = cluster.looked_at(*ends)
    assert after["ok"], after["verdict"]
    assert after["failures"] == []


#: What others may have on a node or in a pod and no packet minds: where, what makes it, what takes it away.
HARMLESS = [
    ("node1", "ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up",
     "ip link del docker0"),
    ("node1", "ip link add eth1 type veth peer name eth1p; ip addr add 10.88.0.1/24 dev eth1; ip link set eth1 up;"
     "ip route add 10.99.0.0/16 dev eth1; ip rule add from 10.88.0.1 table 20; ip route add default dev eth1 table 20",
     "ip link del eth1; ip rule del from 10.88.0.1 table 20"),
    ("node1", "ip link add vx9 type vxlan id 9 dev eth0 dstport 4789; ip link set vx9 up", "ip link del vx9"),
    ("node2", "ip addr add 10.77.0.200/24 dev eth0; ip route add 10.244.0.0/15 dev eth0",
     "ip addr del 10.77.0.200/24 dev eth0; ip route del 10.244.0.0/15"),
    ("node1", "nft 'add table inet mon; add chain inet mon f { type filter hook forward priority 0; }';"
     "nft 'add rule inet mon f counter accept; add chain inet mon p { type filter hook prerouting priority raw; }';"
     "nft 'add rule inet mon p ip saddr 10.244.0.0/16 notrack'", "nft delete table inet mon"),
    ("node2", "iptables -P FORWARD DROP; iptables -A FORWARD -s 10.244.0.0/16 -j ACCEPT",
     "iptables -P FORWARD ACCEPT; iptables -F FORWARD"),
    ("node2", "iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
     "iptables -t nat -F POSTROUTING"),
    ("node1", "for one in arp_ignore arp_announce log_martians; do echo 1 > /proc/sys/net/ipv4/conf/all/$one; done",
     "for one in arp_ignore arp_announce log_martians; do echo 0 > /proc/sys/net/ipv4/conf/all/$one; done"),
    ("node1", "ip link set cni0 type bridge mcast_snooping 0 ageing_time 60000; ip link set cni0 promisc on",
     "ip link set cni0 type bridge mcast_snooping 1 ageing_time 30000; ip link set cni0 promisc off"),
    ("a1", "ip link add net1 type veth peer name net1p; ip addr add 172.31.0.2/24 dev net1; ip link set net1 up;"
     "ip rule add from 172.31.0.2 table 9; ip route add 172.32.0.0/16 dev net1",
     "ip link del net1; ip rule del from 172.31.0.2 table 9"),
    ("a2", "iptables -t nat -A OUTPUT -p tcp --dport 15001 -j REDIRECT --to-ports 15006;"
     "ip addr add 10.244.2.200/32 dev eth0", "iptables -t nat -F; ip addr del 10.244.2.200/32 dev eth0"),
]  # fmt: skip


def test_what_does_no_harm_raises_no_alarm(cluster):
    """All of it at a time, both ways."""
    made = []
    try:
        for name, make, remove in HARMLESS:
            made.append((name, remove))
            place(cluster, name)[0].run("sh", "-ec", make)
        for ends in (("a1", "a2"), ("b2", "a1")):
            found = cluster.traced(*ends)
            assert found["ok"], (found["verdict"], [probe for probe in found["probes"] if not probe["ok"]])
            assert (found["verdict"], found["notes"], found["failures"]) == (None, [], [])
    finally:
        for name, remove in reversed(made):
            place(cluster, name)[0].run("sh", "-ec", remove)


def test_no_false_alarm(cluster):
    """Twenty times, over all nodes, with packets."""
    pods = [pod for node in cluster.nodes for pod in node.pods]
    for number in range(20):
        source, target = pods[number % 6], pods[(number * 5 + 1) % 6]
        if source is target:
            target = pods[(number + 3) % 6]
        found = cluster.traced(source, target)
        assert found["ok"], (number, found["verdict"], [p for p in found["probes"] if not p["ok"]])
        assert found["verdict"] is None
        assert found["notes"] == []
