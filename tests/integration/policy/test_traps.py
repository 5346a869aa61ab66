# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other enforcers of NetworkPolicy have got wrong, each with real packets."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import NETLINK_NETFILTER
from ansible_collections.podnet.cluster.plugins.module_utils.policy.rules import CUT
from ansible_collections.podnet.cluster.plugins.module_utils.policy.table import Table
from policies.cluster import OUTSIDE, cluster_policy, policy
from policies.events import compilers, of_case
from policies.fabric import FAMILIES

BOTH = ["Ingress", "Egress"]
#: Nothing in, nothing out, of any pod.
CLOSED = [policy("closed", own, policyTypes=BOTH) for own in "xyz"]
EVERYONE = [policy("open", own, policyTypes=BOTH, ingress=[{}], egress=[{}]) for own in "xyz"]
SERVICE = {4: "10.96.0.10", 6: "fd00:96::10"}


def reaches(netns, ip: str, port: int, source: str = "", seconds: float = 1.5) -> bool:
    """Whether a TCP connection is made in time: a SYN is sent twice."""
    with netns.entered():
        made = socket.socket(FAMILIES[6 if ":" in ip else 4], socket.SOCK_STREAM)
    with made:
        if source:
            made.bind((source, 0))
        made.settimeout(seconds)
        try:
            made.connect((ip, port))
        except TimeoutError:
            return False
        return True


def address(fabric, end: str, family: int) -> str:
    return fabric.addresses(family)[end]


@contextlib.contextmanager
def rules(node, text: str):
    """A table of somebody else's, as kube-proxy's."""
    node.run("nft", f"table inet elsewhere {{\n{text}\n}}\n")
    try:
        yield
    finally:
        node.run("nft delete table inet elsewhere")


def dropped(fabric, node: str) -> int:
    with fabric.nodes[node].entered():
        channel = Channel(NETLINK_NETFILTER)
    with channel:
        return sum(Table(channel).dropped().values())


@pytest.mark.parametrize("family", [4, 6])
def test_a_node_reaches_its_own_pods_whatever_the_policy(fabric, family):
    """The kubelet's probes. Another node is a stranger."""
    fabric.enforce(of_case(CLOSED))
    assert reaches(fabric.nodes["node1"], address(fabric, "x/a", family), 80)
    assert not reaches(fabric.nodes["node2"], address(fabric, "x/a", family), 80)
    assert not reaches(fabric.ends["x/c"], address(fabric, "x/a", family), 80)


@pytest.mark.parametrize("family", [4, 6])
def test_a_pod_reaches_its_own_node(fabric, family):
    fabric.enforce(of_case(CLOSED))
    with fabric.nodes["node1"].entered():
        listener = socket.socket(FAMILIES[family], socket.SOCK_STREAM)
    with listener:
        listener.bind(("10.244.1.1" if family == 4 else "fd00:244:0:1::1", 8080))
        listener.listen()
        assert reaches(fabric.ends["x/a"], "10.244.1.1" if family == 4 else "fd00:244:0:1::1", 8080)


def test_neighbor_discovery_survives_a_deny_all(fabric):
    """The neighbor entries are learnt anew, through the bridge, while nothing but one port is allowed."""
    only = [policy("some", own, policyTypes=BOTH, ingress=PORT, egress=PORT) for own in "xyz"]
    fabric.enforce(of_case([*CLOSED, *only]))
    for end in ("x/a", "x/c"):
        fabric.ends[end].run("ip -6 neigh flush dev eth0")
    assert reaches(fabric.ends["x/a"], address(fabric, "x/c", 6), 80, seconds=5)
    assert not reaches(fabric.ends["x/a"], address(fabric, "x/c", 6), 81)


PORT = [{"ports": [{"port": 80}]}]


@pytest.mark.parametrize("family", [4, 6])
def test_icmp_needs_a_rule_without_ports(fabric, family):
    def ping() -> bool:
        target = address(fabric, "x/b", family)
        return not fabric.ends["x/a"].run(f"ping -c 2 -i 0.2 -W 1 {target}", check=False).returncode

    some = [policy("some", own, policyTypes=BOTH, ingress=PORT, egress=PORT) for own in "xyz"]
    fabric.enforce(of_case(some))
    assert not ping()
    fabric.enforce(of_case(EVERYONE))
    assert ping()


@pytest.mark.parametrize("family", [4, 6])
def test_a_pod_reaches_itself_through_its_service(fabric, family):
    own, kind = address(fabric, "x/a", family), "ip" if family == 4 else "ip6"
    target = own if family == 4 else f"[{own}]"
    proxy = f"""
        chain pre {{ type nat hook prerouting priority dstnat;
            {kind} daddr {SERVICE[family]} tcp dport 80 dnat {kind} to {target}:81; }}
        chain post {{ type nat hook postrouting priority srcnat; {kind} saddr {own} {kind} daddr {own} masquerade; }}"""
    with rules(fabric.nodes["node1"], proxy):
        fabric.enforce(of_case(CLOSED))
        assert reaches(fabric.ends["x/a"], SERVICE[family], 80)
        assert not reaches(fabric.ends["x/c"], SERVICE[family], 80)
        # a ClusterNetworkPolicy does apply to it, before and after those of namespaces
        deny = [{"action": "Deny", "from": [{"namespaces": {}}]}]
        for tier, others in (("Admin", CLOSED), ("Baseline", [])):
            fabric.enforce(of_case([cluster_policy("p", tier, 1, {"namespaces": {}}, ingress=deny), *others]))
            assert not reaches(fabric.ends["x/a"], SERVICE[family], 80), tier


@pytest.mark.parametrize("family", [4, 6])
def test_a_service_is_judged_by_the_pod_behind_it(fabric, family):
    """Its own port is 80, the pod's 81."""
    own, kind = address(fabric, "y/b", family), "ip" if family == 4 else "ip6"
    target = own if family == 4 else f"[{own}]"
    proxy = f"""chain pre {{ type nat hook prerouting priority dstnat;
        {kind} daddr {SERVICE[family]} tcp dport 80 dnat {kind} to {target}:81; }}"""
    with rules(fabric.nodes["node1"], proxy):
        for port, passes in ((81, True), (80, False)):
            for direction, own_namespace in (("ingress", "y"), ("egress", "x")):
                spec = {direction: [{"ports": [{"port": port}]}], "policyTypes": [direction.capitalize()]}
                fabric.enforce(of_case([policy("p", own_namespace, **spec)]))
                assert reaches(fabric.ends["x/a"], SERVICE[family], 80) == passes, (port, direction)


@pytest.mark.parametrize("family", [4, 6])
def test_a_node_port_shows_the_client_to_the_pods_of_that_node(fabric, family):
    own, kind = address(fabric, "x/a", family), "ip" if family == 4 else "ip6"
    target = own if family == 4 else f"[{own}]"
    node = "192.0.2.11" if family == 4 else "2001:db8::11"
    proxy = f"""
        chain pre {{ type nat hook prerouting priority dstnat;
            {kind} daddr {node} tcp dport 30080 dnat {kind} to {target}:80; }}
        chain post {{ type nat hook postrouting priority srcnat; {kind} daddr {own} tcp dport 80 masquerade; }}"""
    with rules(fabric.nodes["node1"], proxy):
        for block, passes in ((OUTSIDE[family], True), ("198.51.100.1" if family == 4 else "2001:db8:1::1", False)):
            cidr = f"{block}/{32 if family == 4 else 128}"
            fabric.enforce(of_case([policy("p", "x", ingress=[{"from": [{"ipBlock": {"cidr": cidr}}]}])]))
            assert reaches(fabric.ends["outside"], node, 30080) == passes


@pytest.mark.parametrize("family", [4, 6])
def test_an_address_that_is_not_known_is_closed_in_both_directions(fabric, family):
    """No policy at all; the pod is not in the API yet, or its policies are not in force."""
    cluster = of_case([])
    cluster.pods = [pod for pod in cluster.pods if pod["metadata"]["name"] != "a"]
    before = dropped(fabric, "node1")
    fabric.enforce(cluster)
    for source, target in (("x/a", "outside"), ("outside", "x/a"), ("x/c", "x/a"), ("x/a", "x/c"), ("y/b", "x/a")):
        assert not reaches(fabric.ends[source], address(fabric, target, family), 80), (source, target)
    assert dropped(fabric, "node1") > before
    assert reaches(fabric.ends["x/c"], address(fabric, "y/b", family), 80)
    assert reaches(fabric.nodes["node1"], address(fabric, "x/a", family), 80)


def test_link_local_addresses_do_not_pass_by_the_policies(fabric):
    fabric.enforce(of_case([]))
    found = fabric.ends["x/c"].ip("-6 address show dev eth0 scope link")
    (link_local,) = [each["local"] for link in found for each in link.get("addr_info", []) if "local" in each]
    index = fabric.ends["x/a"].ip("link show dev eth0")[0]["ifindex"]
    with fabric.ends["x/a"].entered():
        made = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    with made:
        made.settimeout(1.5)
        with pytest.raises(TimeoutError):
            made.connect((link_local, 80, 0, index))


@pytest.mark.parametrize("family", [4, 6])
def test_a_completed_pod_s_address_is_its_successor_s(fabric, family):
    """z/b has ended, and x/b has its address now: what z may, x/b may not."""
    cluster = of_case([policy("p", "y", ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"ns": "z"}}}]}])])
    (ended,) = [
        pod for pod in cluster.pods if pod["metadata"] == {"name": "b", "namespace": "z", "labels": {"pod": "b"}}
    ]
    (heir,) = [pod for pod in cluster.pods if (pod["metadata"]["namespace"], pod["metadata"]["name"]) == ("x", "b")]
    fabric.enforce(cluster)
    assert reaches(fabric.ends["z/b"], address(fabric, "y/a", family), 80)
    ended["status"]["phase"] = "Succeeded"
    heir["status"]["podIPs"] = ended["status"]["podIPs"]
    fabric.enforce(cluster)
    assert not reaches(fabric.ends["z/b"], address(fabric, "y/a", family), 80)
    assert reaches(fabric.ends["z/c"], address(fabric, "y/a", family), 80)


@pytest.mark.parametrize("family", [4, 6])
def test_answers_pass_and_open_connections_stay_until_they_are_cut(fabric, family):
    node, target = fabric.nodes["node1"], address(fabric, "x/a", family)
    fabric.enforce(of_case([policy("p", "z", policyTypes=["Ingress"])]))  # z takes no connections, but answers
    with fabric.ends["x/a"].entered():
        listener = socket.create_server((target, 8080), family=FAMILIES[family])
    with fabric.ends["z/b"].entered():
        client = socket.socket(FAMILIES[family], socket.SOCK_STREAM)
    with listener, client:
        client.settimeout(2)
        client.connect((target, 8080))
        server = listener.accept()[0]
        with server:
            server.settimeout(2)
            fabric.enforce(of_case(CLOSED))
            for one, other in ((client, server), (server, client)):
                one.send(b"still")
                assert other.recv(5) == b"still"
            mark = f"""chain pre {{ type filter hook prerouting priority mangle;
                tcp dport 8080 ct mark set ct mark or {CUT}; }}"""
            with rules(node, mark):
                client.send(b"cut")
                with pytest.raises(TimeoutError):
                    server.recv(3)
                server.send(b"cut")
                with pytest.raises(TimeoutError):
                    client.recv(3)


def test_what_another_table_drops_stays_dropped(fabric):
    """An accept of ours is no accept of theirs."""
    fabric.enforce(of_case(EVERYONE))
    theirs = "chain forward { type filter hook forward priority filter; tcp dport 80 drop; }"
    assert reaches(fabric.ends["x/a"], address(fabric, "x/b", 4), 80)
    with rules(fabric.nodes["node1"], theirs):
        assert not reaches(fabric.ends["x/a"], address(fabric, "x/b", 4), 80)


def test_nobody_is_without_a_policy_while_policies_change(fabric):
    """From closed by one policy to closed by another, in one step each, while packets come all the time."""
    target = address(fabric, "x/a", 4)
    with fabric.ends["x/a"].entered():
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind((target, 9999))
        listener.setblocking(False)
    with fabric.ends["x/c"].entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    compiled = compilers(of_case(CLOSED))["node1"]
    other = [{**item, "metadata": {**item["metadata"], "name": "closed too"}} for item in CLOSED]
    second = compilers(of_case(other))["node1"]
    with fabric.nodes["node1"].entered():
        channel = Channel(NETLINK_NETFILTER)
    with listener, sender, channel:
        table = Table(channel)
        assert table.plan(compiled.program).apply() == []
        end = time.monotonic() + 2
        turns = 0
        while time.monotonic() < end:
            for program in (second.program, compiled.program):
                plan = table.plan(program)
                sender.sendto(b"now", (target, 9999))
                assert plan.apply() == []
                sender.sendto(b"now", (target, 9999))
            turns += 1
        assert turns
        with pytest.raises(BlockingIOError):
            listener.recv(3)
