# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault is injected with tools that are not ours; the verdict must name the right node, hop and cause, and after
the cure all must be clean again. The way is from pod a1 on node1 to pod a2 on node2, unless said otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest


@dataclass
class Fault:
    """``inject`` and ``cure`` are a shell's, on ``at``: node1, a2 (in the pod), switch. The verdict must be about
    ``node`` and ``step``, and its cause must hold ``cause``. ``cure`` "apply" is podnetctl's. H1 and H2 are the nodes'
    ends of a1 and a2, H2B that of b2, M2 is node2's VTEP's MAC address, P2 that of a2. ``packets``: the states alone do
    not tell."""

    name: str
    at: str
    inject: str
    node: str
    step: str
    cause: str
    cure: str = "apply"
    packets: bool = False


FAULTS = [
    Fault("forwarding entry missing", "node1", "bridge fdb del M2 dev flannel.1 dst 10.77.0.12",
          "node1", "fdb", "no forwarding entry"),
    Fault("forwarding entry to the wrong node", "node1", "bridge fdb replace M2 dev flannel.1 dst 10.77.0.13 self permanent",
          "node1", "fdb", "sent to 10.77.0.13, not to 10.77.0.12"),
    Fault("neighbour entry missing", "node1", "ip neigh del 10.244.2.0 dev flannel.1",
          "node1", "neighbour", "no neighbour entry for 10.244.2.0"),
    Fault("neighbour entry with a wrong MAC", "node1", "ip neigh replace 10.244.2.0 lladdr 02:00:00:00:00:99 dev flannel.1 nud permanent",
          "node1", "neighbour", "taken to have 02:00:00:00:00:99"),
    Fault("wrong VTEP MAC", "node2", "ip link set flannel.1 address 02:00:00:00:00:77",
          "node2", "device", "MAC address 02:00:00:00:00:77"),
    Fault("peer route missing", "node1", "ip route del 10.244.2.0/24", "node1", "route", "no route to 10.244.2.2"),
    Fault("peer route missing for the way back", "node2", "ip route del 10.244.1.0/24", "node2", "route", "no route back to 10.244.1.2"),
    Fault("route to the wrong device", "node1", "ip route replace 10.244.2.0/24 dev eth0 proto 112",
          "node1", "route", "take the route 10.244.2.0/24 dev eth0"),
    Fault("route shadowed by a more specific one", "node1", "ip route add 10.244.2.0/25 dev eth0",
          "node1", "route", "take the route 10.244.2.0/25 dev eth0", "ip route del 10.244.2.0/25"),
    Fault("route shadowed by a policy rule", "node1", "ip rule add to 10.244.2.2 table 99; ip route add 10.244.2.2 dev eth0 table 99",
          "node1", "route", "take the route 10.244.2.2/32 dev eth0", "ip rule del to 10.244.2.2 table 99; ip route flush table 99"),
    Fault("a blackhole", "node1", "ip route add blackhole 10.244.2.2/32", "node1", "route", "no route to 10.244.2.2",
          "ip route del blackhole 10.244.2.2/32"),
    Fault("flannel.1 down", "node2", "ip link set flannel.1 down", "node2", "device", "flannel.1 is down"),
    Fault("flannel.1 down at the sender", "node1", "ip link set flannel.1 down", "node1", "device", "flannel.1 is down"),
    Fault("flannel.1 missing", "node1", "ip link del flannel.1", "node1", "device", "flannel.1 is missing"),
    Fault("another VNI", "node1", "ip link del flannel.1; ip link add flannel.1 type vxlan id 2 dev eth0 local 10.77.0.11 dstport 8472 nolearning; "
          "ip link set flannel.1 up", "node1", "device", "VNI 2, it must have 1"),
    Fault("another UDP port", "node2", "ip link del flannel.1; ip link add flannel.1 type vxlan id 1 dev eth0 local 10.77.0.12 dstport 4789 nolearning; "
          "ip link set flannel.1 up", "node2", "device", "UDP port 4789, it must have 8472"),
    Fault("UDP 8472 dropped on the underlay in one direction", "switch",
          "nft 'add table bridge f; add chain bridge f c { type filter hook forward priority 0; }; add rule bridge f c iifname port1 udp dport 8472 drop'",
          "node1 → node2", "wire", "never at", "nft delete table bridge f", packets=True),
    Fault("UDP 8472 dropped on the way back", "switch",
          "nft 'add table bridge f; add chain bridge f c { type filter hook forward priority 0; }; add rule bridge f c iifname port2 udp dport 8472 drop'",
          "node2 → node1", "wire", "never at", "nft delete table bridge f", packets=True),
    Fault("UDP 8472 dropped by the peer's firewall", "node2", "iptables -A INPUT -p udp --dport 8472 -j DROP",
          "node2", "input", "ip filter INPUT", "iptables -F INPUT", packets=True),
    Fault("FORWARD policy DROP", "node2", "iptables -P FORWARD DROP", "node2", "filter", "ip filter FORWARD",
          "iptables -P FORWARD ACCEPT", packets=True),
    Fault("FORWARD policy DROP of iptables-legacy", "node1", "iptables-legacy -P FORWARD DROP", "node1", "filter", "FORWARD",
          "iptables-legacy -P FORWARD ACCEPT", packets=True),
    Fault("a foreign table that drops", "node1", "nft 'add table inet fw; add chain inet fw x { type filter hook forward priority -5; }; "
          "add rule inet fw x ip daddr 10.244.2.0/24 drop'", "node1", "filter", "inet fw x", "nft delete table inet fw", packets=True),
    Fault("a classifier that steals", "node2", "ip link add thief type veth peer name den; ip link set thief up; tc qdisc add dev flannel.1 clsact; "
          "tc filter add dev flannel.1 ingress protocol ip u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev thief",
          "node2", "filter", "flannel.1", "ip link del thief; tc qdisc del dev flannel.1 clsact", packets=True),
    Fault("ip_forward off", "node1", "echo 0 > /proc/sys/net/ipv4/ip_forward", "node1", "forwarding", "ip_forward is 0"),
    Fault("forwarding of one link off", "node2", "echo 0 > /proc/sys/net/ipv4/conf/flannel.1/forwarding", "node2", "forwarding", "flannel.1.forwarding is 0",
          "echo 1 > /proc/sys/net/ipv4/conf/flannel.1/forwarding"),
    Fault("strict rp_filter where it drops", "node2", "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter; echo 1 > /proc/sys/net/ipv4/conf/flannel.1/rp_filter; "
          "ip route add 10.244.1.2/32 dev eth0", "node2", "rp_filter", "rp_filter is strict",
          "echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter; ip route del 10.244.1.2/32; apply"),
    Fault("MTU of flannel.1 too small", "node1", "ip link set flannel.1 mtu 1300", "node1", "device", "MTU 1300, it must have 1450"),
    Fault("MTU of the pod too large", "a1", "ip link set eth0 mtu 1500", "node1", "pod", "MTU is 1500, larger than", "ip link set eth0 mtu 1450"),
    Fault("MTU of the underlay too small", "switch",
          "nft 'add table bridge f; add chain bridge f c { type filter hook forward priority 0; }; add rule bridge f c iifname port1 meta length > 1400 drop'",
          "node1 → node2", "wire", "packets of 1400 bytes pass and larger ones do not", "nft delete table bridge f", packets=True),
    Fault("bridge address missing", "node2", "ip address del 10.244.2.1/24 dev cni0", "node2", "bridge", "does not have 10.244.2.1/24"),
    Fault("bridge address missing at the sender", "node1", "ip address del 10.244.1.1/24 dev cni0", "node1", "bridge", "does not have 10.244.1.1/24"),
    Fault("bridge down", "node2", "ip link set cni0 down", "node2", "bridge", "cni0 is down"),
    Fault("bridge port detached", "node2", "ip link set H2 nomaster", "node2", "port", "no port of any bridge", "ip link set H2 master cni0; bridge link set dev H2 hairpin on"),
    Fault("veth down", "node2", "ip link set H2 down", "node2", "port", "H2 is down", "ip link set H2 up"),
    Fault("a static entry that leads frames astray", "node2", "bridge fdb replace P2 dev H2B master static sticky", "node2", "port", "by H2B",
          "bridge fdb del P2 dev H2B master"),
    Fault("pod's interface down", "a1", "ip link set eth0 down", "node1", "pod", "eth0 of the pod is down",
          "ip link set eth0 up; ip route add 10.244.0.0/16 via 10.244.1.1; ip route add default via 10.244.1.1"),
    Fault("pod's default route missing", "a1", "ip route del default; ip route del 10.244.0.0/16", "node1", "pod-route", "no route to 10.244.2.2",
          "ip route add 10.244.0.0/16 via 10.244.1.1; ip route add default via 10.244.1.1"),
    Fault("pod's address missing", "a2", "ip address del 10.244.2.2/24 dev eth0", "node2", "pod", "does not have its address 10.244.2.2/24",
          "ip address add 10.244.2.2/24 dev eth0; ip route add 10.244.0.0/16 via 10.244.2.1; ip route add default via 10.244.2.1"),
    Fault("pod's neighbour entry wrong", "a1", "ip neigh replace 10.244.1.1 lladdr 02:00:00:00:00:66 dev eth0 nud permanent", "node1", "pod-neighbour",
          "taken to be at 02:00:00:00:00:66", "ip neigh del 10.244.1.1 dev eth0"),
    Fault("a filter inside the pod", "a2", "iptables -A INPUT -s 10.244.1.2 -j DROP", "node2", "pod", "ip filter INPUT", "iptables -F INPUT", packets=True),
    Fault("pod with a duplicate address", "b2", "ip address add 10.244.2.2/24 dev eth0", "node2", "deliver", "claimed by", "ip address del 10.244.2.2/24 dev eth0", packets=True),
    Fault("masquerade hides the pods' sources", "node1", "iptables -t nat -A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE", "node1", "nat", "hidden behind",
          "iptables -t nat -F POSTROUTING", packets=True),
    Fault("our table is gone", "node1", "nft delete table inet podnet", "node1", "nat", "inet podnet"),
    Fault("underlay down", "node2", "ip link set eth0 down", "node2", "input", "eth0, the underlay's interface, is down", "ip link set eth0 up; apply"),
]  # fmt: skip


def names(cluster) -> dict[str, str]:
    """What stands for what in a fault's commands."""
    pods = {pod.name.partition("/")[2]: pod for node in cluster.nodes for pod in node.pods}
    mac = json.loads(cluster.nodes[1].run("ip -j link show flannel.1").stdout)[0]["address"]
    inner = json.loads(pods["a2"].run("ip -j link show eth0").stdout)[0]["address"]
    return {"H2B": pods["b2"].host, "H1": pods["a1"].host, "H2": pods["a2"].host, "M2": mac, "P2": inner}


def place(cluster, name: str):
    """The namespace of that name, and the node that it is or is on."""
    if name == "switch":
        return cluster.switch, None
    for node in cluster.nodes:
        if node.name == name:
            return node, node
        for pod in node.pods:
            if pod.name == f"default/{name}":
                return pod, node
    raise KeyError(name)


def filled(text: str, known: dict[str, str]) -> str:
    for word, value in known.items():
        text = text.replace(word, value)
    return text


def shell(where, commands: str) -> None:
    where.run("sh", "-ec", commands) if hasattr(where, "sysctl") else where.netns.run("sh", "-ec", commands)


def mend(cluster, fault: Fault, known: dict[str, str]) -> None:
    where, node = place(cluster, fault.at)
    steps = filled(fault.cure, known)
    for step in steps.split("; "):
        if step == "apply":
            node.ctl("apply")
        else:
            shell(where, step)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_is_named(cluster, fault):
    known = names(cluster)
    where, _node = place(cluster, fault.at)
    source, target = cluster.nodes[0].pods[0], cluster.nodes[1].pods[0]
    shell(where, filled(fault.inject, known))
    try:
        found = (cluster.traced if fault.packets else cluster.looked_at)(source, target)
        told = json.dumps(found["verdict"], indent=1)
        assert not found["ok"], told
        assert found["verdict"], [probe for probe in found["probes"] if not probe["ok"]]
        assert (found["verdict"]["node"], found["verdict"]["step"]) == (fault.node, fault.step), told
        assert filled(fault.cause, known) in found["verdict"]["cause"], told
        assert found["verdict"]["cure"], told
    finally:
        mend(cluster, fault, known)
    after = cluster.looked_at(source, target)
    assert after["ok"], after["verdict"]
    assert after["failures"] == []


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
