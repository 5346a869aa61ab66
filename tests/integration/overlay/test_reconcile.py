# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The overlay in real network namespaces: it carries packets, stays level, heals, forgets, and leaves nothing."""

from __future__ import annotations

import json
import subprocess

import pytest

NEEDED = ("ping", "nft", "bridge", "tcpdump")


@pytest.fixture(autouse=True)
def tools(netns):
    """Skip, with the reason, where a witness is not installed."""
    for tool in NEEDED:
        if netns.run("sh", "-c", f"command -v {tool}", check=False).returncode:
            pytest.skip(f"not installed: {tool}")


def ping(source, address: str, *options: str) -> bool:
    """Whether one echo request from the namespace SOURCE is answered within 5 s."""
    return source.run("ping", "-c", "1", "-W", "5", *options, address, check=False).returncode == 0


def apply_all(nodes) -> None:
    for node in nodes:
        node.ctl("apply")


def flannel(node) -> dict:
    (link,) = node.netns.ip("link show flannel.1")
    return link


def foreign_state(node) -> None:
    """What others may have made on the node, and nobody but them may touch."""
    run = node.netns.run
    run("ip link add br-other type bridge")
    run("ip address add 172.18.0.1/16 dev br-other")
    run("ip link set br-other up")
    run("ip link add vxlan99 type vxlan id 99 local 10.77.0.11 dev eth0 dstport 4789 nolearning")
    run("ip link set vxlan99 up")
    run("ip neigh add 172.20.0.1 lladdr 02:00:00:00:00:99 dev vxlan99 nud permanent")
    run("bridge fdb append 02:00:00:00:00:99 dev vxlan99 dst 10.77.0.99")
    run("ip route add 10.244.99.0/24 via 172.18.0.9")
    run("ip route add 10.99.0.0/16 via 10.77.0.99 proto 12")
    run("nft add table inet other")
    run("nft add chain inet other input '{ type filter hook input priority 0; policy accept; }'")


@pytest.mark.parametrize("address", ["10.244.{}.2", "fd00:244:0:{}::2"])
@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_pods_reach_pods_on_every_node(make_nodes, backend, address):
    nodes, _switch = make_nodes(3, backend={"type": backend})
    apply_all(nodes)
    for source in nodes:
        for target in nodes:
            assert ping(source.pod, address.format(target.number)), f"{source.name} to {target.name}"


def test_packets_travel_as_udp_8472_and_with_the_full_mtu(make_nodes):
    nodes, switch = make_nodes(2)
    apply_all(nodes)
    capture = subprocess.Popen(
        ["nsenter", f"--net={switch.path}", "tcpdump", "-nn", "-l", "-i", "port1", "-c", "2", "udp port 8472"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert "listening on" in _until(capture.stderr, "listening on")
        assert ping(nodes[0].pod, "10.244.2.2", "-s", str(1450 - 28), "-M", "do")
        output, _errors = capture.communicate(timeout=20)
    finally:
        capture.kill()
        capture.wait()
    assert "10.77.0.11" in output and "10.77.0.12.8472" in output
    # tcpdump takes this port for OTV, which has the same header
    assert "instance 1" in output and "10.244.1.2 > 10.244.2.2" in output
    assert not ping(nodes[0].pod, "10.244.2.2", "-s", str(1451 - 28), "-M", "do")


def _until(stream, words: str) -> str:
    """Read lines until one has WORDS; what was read."""
    told = ""
    for line in stream:
        told += line
        if words in line:
            break
    return told


def test_the_kernel_has_just_what_flannel_would_make(make_nodes):
    (node, peer, _third), _switch = make_nodes(3)
    node.ctl("apply")
    link = flannel(node)
    assert link["mtu"] == 1450 and "UP" in link["flags"]
    data = link["linkinfo"]["info_data"]
    assert data["link"] == "eth0"
    assert (data["id"], data["local"], data["port"], data["learning"]) == (1, "10.77.0.11", 8472, False)
    status = json.loads(node.ctl("status", "--json").stdout)
    assert link["address"] == status["vtep_mac"]
    mac = next(entry["vtep_mac"] for entry in status["peers"] if entry["name"] == peer.name)
    assert {(entry["dst"], entry["lladdr"]) for entry in node.netns.ip("neigh show dev flannel.1 nud permanent")} >= {
        ("10.244.2.0", mac),
        ("fd00:244:0:2::", mac),
    }
    fdb = [entry for entry in node.netns.bridge("fdb show dev flannel.1") if entry["mac"] == mac]
    assert [(entry["dst"], entry["state"], entry["flags"]) for entry in fdb] == [("10.77.0.12", "permanent", ["self"])]
    (route,) = node.netns.ip("route show 10.244.2.0/24")
    assert (route["gateway"], route["dev"], route["flags"]) == ("10.244.2.0", "flannel.1", ["onlink"])
    assert route["protocol"] == "112"
    assert node.netns.sysctl("net.ipv4.ip_forward") == "1"
    assert node.netns.sysctl("net.ipv6.conf.all.forwarding") == "1"
    assert node.subnet_env.read_text().splitlines() == [
        "FLANNEL_NETWORK=10.244.0.0/16",
        "FLANNEL_SUBNET=10.244.1.1/24",
        "FLANNEL_IPV6_NETWORK=fd00:244::/48",
        "FLANNEL_IPV6_SUBNET=fd00:244:0:1::1/64",
        "FLANNEL_MTU=1450",
        "FLANNEL_IPMASQ=true",
    ]


@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_a_second_apply_has_nothing_to_do_and_does_nothing(make_nodes, backend):
    (node, _peer), _switch = make_nodes(2, backend={"type": backend})
    assert node.plan()
    assert node.ctl("apply").stdout
    before = node.state()
    assert node.plan() == []
    assert node.ctl("apply").stdout == ""
    assert node.state() == before


def test_plan_and_status_change_nothing(make_nodes):
    (node, _peer), _switch = make_nodes(2)
    before = node.state()
    assert "add link flannel.1" in node.plan()
    assert "pending: add link flannel.1" in node.ctl("status", status=1).stdout
    assert node.state() == before and not node.subnet_env.exists()


DAMAGES = [
    "ip route del 10.244.2.0/24",
    "ip -6 route del fd00:244:0:2::/64",
    "ip route replace 10.244.2.0/24 via 10.77.0.13",
    "ip route replace blackhole 10.244.2.0/24",
    "ip neigh del 10.244.2.0 dev flannel.1",
    "ip neigh replace 10.244.2.0 lladdr 02:00:00:00:00:66 dev flannel.1 nud permanent",
    "ip neigh replace 10.244.2.0 lladdr 02:00:00:00:00:66 dev flannel.1 nud reachable",
    "sh -c 'bridge fdb del $(bridge fdb show dev flannel.1 | grep -w 10.77.0.12 | cut -c1-17) dev flannel.1'",
    "sh -c 'bridge fdb replace $(bridge fdb show dev flannel.1 | grep -w 10.77.0.12 | cut -c1-17) dev flannel.1"
    " dst 10.77.0.13'",
    "ip link del flannel.1",
    "ip link set flannel.1 down",
    "ip link set flannel.1 mtu 1400",
    "ip link set flannel.1 address 02:00:00:00:00:66",
    "ip link set flannel.1 type vxlan learning",
    "ip link set flannel.1 alias mine",
    "ip address flush dev flannel.1",
    "ip address add 10.244.66.0/32 dev flannel.1",
    "nft delete table inet podnet",
    "nft flush set inet podnet pod_networks4",
    "nft flush chain inet podnet postrouting",
    "nft add element inet podnet not_masqueraded4 { 8.8.8.0/24 }",
    "sysctl -qw net.ipv4.ip_forward=0",
]


def test_what_is_undone_by_hand_is_put_back(make_nodes):
    nodes, _switch = make_nodes(3)
    apply_all(nodes)
    node = nodes[0]
    for damage in DAMAGES:
        before = node.state()
        node.netns.run(damage)
        assert node.ctl("apply").stdout, f"unseen: {damage}"
        assert node.plan() == [], damage
        after = node.state()
        if "link del" in damage:  # the new device has another index
            before, after = ({**state, "links": []} for state in (before, after))
        assert after == before, damage
        assert ping(nodes[0].pod, "10.244.2.2") and ping(nodes[0].pod, "fd00:244:0:2::2"), damage


def test_a_deleted_subnet_env_comes_back(make_nodes):
    (node, _peer), _switch = make_nodes(2)
    node.ctl("apply")
    text = node.subnet_env.read_text()
    node.subnet_env.unlink()
    assert node.ctl("apply").stdout == f"write file {node.subnet_env}\n"
    node.subnet_env.write_text(text.replace("1450", "9000"))
    assert node.plan() == [f"change file {node.subnet_env}"]
    node.ctl("apply")
    assert node.subnet_env.read_text() == text


@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_a_peer_that_left_leaves_nothing(make_nodes, backend):
    (node, peer, _gone), _switch = make_nodes(3, backend={"type": backend})
    config = {"backend": {"type": backend}}
    node.ctl("apply")
    assert "10.244.3." in json.dumps(node.state())
    node.write([node.lease(), peer.lease()], **config)
    node.ctl("apply")
    told = json.dumps(node.state())
    assert "10.244.3." not in told and "fd00:244:0:3:" not in told and "10.77.0.13" not in told
    assert "10.244.2." in told


def test_among_a_thousand_peers_routes_are_spread_over_scopes_and_carry_all_the_same(make_nodes):
    nodes, _switch = make_nodes(2)
    one, other = nodes
    leases = [node.lease() for node in nodes]
    crowd = [
        {
            "name": f"far{number}",
            "address": f"10.78.{number >> 8}.{number & 255}",
            "pod_cidrs": [f"10.244.{128 + number // 16}.{number % 16 * 16}/28"],
            "vtep_mac": f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
        }
        for number in range(1100)
    ]
    for node in nodes:
        node.netns.run("sysctl -qw net.ipv4.conf.all.rp_filter=1")
        node.write([*leases, *crowd])
    apply_all(nodes)
    routes = [route for route in one.netns.ip("route show proto 112 type unicast") if "gateway" in route]
    scopes = {route["scope"] for route in routes}
    assert len(routes) == 1101 and len(scopes) > 90 and all(1 <= int(scope) <= 199 for scope in scopes)
    (way,) = one.netns.ip("route get 10.244.2.2")
    assert way["prefsrc"] == "10.244.1.0"
    assert ping(one.pod, "10.244.2.2") and ping(other.pod, "10.244.1.2") and ping(one.netns, "10.244.2.2")
    assert one.plan() == []
    one.write(leases)
    one.ctl("apply")
    assert len([route for route in one.netns.ip("route show proto 112 type unicast") if "gateway" in route]) == 1
    assert ping(one.pod, "10.244.2.2") and one.plan() == []


def test_a_peer_with_another_mac_and_address_leaves_nothing_of_the_old_ones(make_nodes):
    (node, peer), _switch = make_nodes(2)
    node.ctl("apply")
    old = next(entry["lladdr"] for entry in node.netns.ip("neigh show 10.244.2.0 dev flannel.1"))
    moved = peer.lease(vtep_mac="02:aa:bb:cc:dd:ee", address="10.77.0.42", addresses=["10.77.0.42"])
    node.write([node.lease(), moved])
    node.ctl("apply")
    told = json.dumps(node.state())
    assert old not in told and "10.77.0.12" not in told
    fdb = [entry["dst"] for entry in node.netns.bridge("fdb show dev flannel.1") if entry["mac"] == "02:aa:bb:cc:dd:ee"]
    assert fdb == ["10.77.0.42"]


def test_mtu_and_mac_are_changed_in_place_other_values_make_the_device_anew(make_nodes):
    (node, peer), _switch = make_nodes(2)
    leases = [node.lease(), peer.lease()]
    node.ctl("apply")
    first = flannel(node)["ifindex"]
    node.write([node.lease(vtep_mac="02:00:00:00:00:aa"), peer.lease()], backend={"mtu": 1400})
    node.ctl("apply")
    assert (flannel(node)["ifindex"], flannel(node)["mtu"]) == (first, 1400)
    assert flannel(node)["address"] == "02:00:00:00:00:aa"
    assert node.plan() == [], "the kernel drops a link's neighbours with its MAC address"
    node.write(leases, backend={"port": 4789})
    assert any(line.startswith("recreate link flannel.1") for line in node.ctl("apply").stdout.splitlines())
    assert flannel(node)["ifindex"] != first and flannel(node)["linkinfo"]["info_data"]["port"] == 4789
    assert node.netns.ip("route show 10.244.2.0/24") and node.plan() == []
    node.write(leases, backend={"vni": 7})
    node.ctl("apply")
    names = [link["ifname"] for link in node.netns.ip("link show type vxlan")]
    assert names == ["flannel.7"] and node.plan() == []


def test_a_device_that_flannel_made_is_taken_over(make_nodes):
    nodes, _switch = make_nodes(2)
    node = nodes[0]
    node.netns.run("ip link add flannel.1 type vxlan id 1 local 10.77.0.11 dev eth0 dstport 8472 nolearning")
    before = flannel(node)["ifindex"]
    apply_all(nodes)
    assert flannel(node)["ifindex"] == before
    assert ping(node.pod, "10.244.2.2")


def test_back_ends_change_places_and_leave_nothing_of_each_other(make_nodes):
    nodes, _switch = make_nodes(2)
    leases = [node.lease() for node in nodes]
    for backend in ("vxlan", "host-gw", "vxlan"):
        for node in nodes:
            node.write(leases, backend={"type": backend})
        apply_all(nodes)
        assert ping(nodes[0].pod, "10.244.2.2"), backend
        assert bool(nodes[0].netns.ip("link show type vxlan")) == (backend == "vxlan")
        assert nodes[0].plan() == []


def test_a_bridge_that_is_configured_no_more_goes_with_its_last_port(make_nodes):
    """Beside another bridge it would take what the node sends to its pods."""
    (node, peer), _switch = make_nodes(2)
    leases = [node.lease(), peer.lease()]
    node.write(leases, bridge="cni9")
    node.ctl("apply")
    node.netns.run("ip link add port9 type veth")
    node.netns.run("ip link set port9 master cni9")
    node.netns.run("ip link add br-other type bridge")
    node.write(leases, bridge=None)
    node.ctl("apply")
    assert node.netns.ip("address show cni9") and node.plan() == []
    node.netns.run("ip link delete port9")
    node.ctl("apply")
    assert "cni9" not in {link["ifname"] for link in node.netns.ip("link show type bridge")}
    assert node.netns.ip("link show br-other") and node.plan() == []


def test_direct_routing_uses_no_tunnel_between_neighbours(make_nodes):
    nodes, _switch = make_nodes(2, backend={"direct_routing": True})
    apply_all(nodes)
    (route,) = nodes[0].netns.ip("route show 10.244.2.0/24")
    assert (route["gateway"], route["dev"]) == ("10.77.0.12", "eth0")
    assert nodes[0].netns.ip("neigh show dev flannel.1 nud permanent") == []
    assert ping(nodes[0].pod, "10.244.2.2")


def test_an_ipv6_underlay_carries_both_ip_versions(make_nodes):
    nodes, _switch = make_nodes(2)
    leases = [node.lease(address=f"fd77::{10 + node.number}", addresses=None) for node in nodes]
    for node in nodes:
        node.write(leases)
    apply_all(nodes)
    assert flannel(nodes[0])["mtu"] == 1430
    assert nodes[0].plan() == []
    nodes[0].pod.run("ip link set eth0 mtu 1430")
    assert ping(nodes[0].pod, "10.244.2.2", "-s", str(1430 - 28), "-M", "do")
    assert ping(nodes[0].pod, "fd00:244:0:2::2")


def test_what_leaves_the_cluster_is_masqueraded_and_nothing_else(make_nodes):
    nodes, switch = make_nodes(2)
    switch.run("ip address add 10.77.0.1/24 dev switch")
    apply_all(nodes)
    # the outside knows no way back to pods: an answer proves that the node's address was the source
    assert ping(nodes[0].pod, "10.77.0.1")
    nodes[1].pod.run("nft add table ip seen")
    nodes[1].pod.run("nft add chain ip seen input '{ type filter hook input priority 0; }'")
    nodes[1].pod.run("nft add rule ip seen input ip saddr 10.244.1.2 icmp type echo-request counter")
    assert ping(nodes[0].pod, "10.244.2.2")
    rules = [entry["rule"] for entry in nodes[1].pod.nft() if "rule" in entry]
    counters = [part["counter"]["packets"] for part in rules[0]["expr"] if "counter" in part]
    assert counters == [1], "the pod did not see the other pod's own address"


def test_without_masquerade_pods_keep_their_addresses(make_nodes):
    nodes, switch = make_nodes(1, masquerade=False)
    switch.run("ip address add 10.77.0.1/24 dev switch")
    apply_all(nodes)
    assert nodes[0].pod.run("ping", "-c", "1", "-W", "1", "10.77.0.1", check=False).returncode
    switch.run("ip route add 10.244.1.0/24 via 10.77.0.11")
    assert ping(nodes[0].pod, "10.77.0.1")


def test_a_bad_peer_is_refused_by_name_and_the_others_work(make_nodes):
    nodes, _switch = make_nodes(3)
    twin = {"name": "twin", "address": "10.77.0.66", "pod_cidrs": ["10.244.2.0/24"]}
    for node in nodes:
        node.write([other.lease() for other in nodes] + [twin, 7])
        result = node.ctl("apply")
        told = "podnetctl: lease of twin refused: pod CIDR 10.244.2.0/24 overlaps 10.244.2.0/24 of node2"
        assert told in result.stderr
    assert ping(nodes[0].pod, "10.244.2.2") and ping(nodes[2].pod, "10.244.2.2")
    status = json.loads(nodes[0].ctl("status", "--json").stdout)
    assert set(status["refused"]) == {"twin", "leases[4]"} and status["in_sync"]
    assert "10.77.0.66" not in json.dumps(nodes[0].state())


def test_a_node_without_its_address_is_told_so_and_nothing_is_half_done(make_nodes):
    (node, _peer), _switch = make_nodes(2)
    node.netns.run("ip address flush dev eth0")
    before = node.state()
    result = node.ctl("apply", status=2)
    assert "10.77.0.11 of node1, this node, is on none of its interfaces" in result.stderr
    assert "Traceback" not in result.stderr
    assert node.state() == before and not node.subnet_env.exists()


def test_apply_waits_for_the_underlay(make_nodes):
    (node, _peer), _switch = make_nodes(2)
    node.netns.run("ip address del 10.77.0.11/24 dev eth0")
    late = subprocess.Popen(
        ["nsenter", f"--net={node.netns.path}", "sh", "-c", "sleep 1; ip address add 10.77.0.11/24 dev eth0"]
    )
    node.ctl("apply", "--wait", "30")
    late.wait()
    assert flannel(node)["mtu"] == 1450


def test_status_tells_a_peers_drift_and_a_forward_policy_that_drops(make_nodes):
    (node, _peer, _third), _switch = make_nodes(3)
    node.ctl("apply")
    node.netns.run("ip route del 10.244.2.0/24")
    node.netns.run("nft add table ip filter")
    node.netns.run("nft add chain ip filter FORWARD '{ type filter hook forward priority 0; policy drop; }'")
    status = json.loads(node.ctl("status", "--json", status=1).stdout)
    assert {peer["name"]: peer["drift"] for peer in status["peers"]} == {
        "node2": ["add route 10.244.2.0/24"],
        "node3": [],
    }
    assert status["forward_policy_drop"] == ["ip filter FORWARD"]
    text = node.ctl("status", status=1).stdout
    assert "warning: chain ip filter FORWARD drops or rejects forwarded packets" in text
    assert "2 peers, 0 refused, out of sync: 1 changes pending" in text


def test_foreign_state_is_spared_by_apply(make_nodes):
    (node, _peer), _switch = make_nodes(2)
    foreign_state(node)
    before = node.state()
    node.ctl("apply")
    node.ctl("apply")
    after = node.state()
    for kind in ("addresses", "neighbours", "fdb", "routes"):
        lost = [entry for entry in before[kind] if entry not in after[kind]]
        assert lost == [], kind
    assert [table["table"]["name"] for table in after["nft"] if "table" in table] == ["other", "podnet"]


#: A podnetctl that kills itself before, then one that does after its first message to the kernel or file put in place;
#: each time another makes it level, and all is undone. Then at the second, and so on; prints how many there were. All
#: of them are forks: a process that starts anew takes ten times as long.
KILLER = """
import json, os, signal, subprocess, sys
from ansible_collections.podnet.cluster.plugins.module_utils.cli import podnetctl as command
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel


def podnetctl(verb, left=0, after=False):
    def deadly(call):
        def instead(*arguments):
            nonlocal left
            left -= 1
            if left == 0:
                if after:
                    call(*arguments)
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments)
        return instead

    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    Channel._send, os.rename = deadly(Channel._send), deadly(os.rename)
    os._exit(command.main([*sys.argv[2:], verb]))


for step in range(1, 1000):
    ends = []
    for after in (False, True):
        ends.append(podnetctl("apply", step, after))
        assert ends[-1] in (0, signal.SIGKILL), ends
        assert podnetctl("apply") == podnetctl("plan") == 0, (step, after)
        routes = subprocess.check_output("ip -j route show proto 112 type unicast".split())
        assert len(json.loads(routes)) == 2, (step, after, routes)
        for undo in ("ip link del flannel.1", "nft delete table inet podnet", f"rm {sys.argv[1]}"):
            subprocess.run(undo.split(), check=True)
    if ends == [0, 0]:
        print(step)
        break
"""


def test_killed_at_any_step_the_next_apply_makes_it_level(make_nodes):
    (node, _peer, _third), _switch = make_nodes(3)
    words = ("/usr/bin/python3", "-c", KILLER, str(node.subnet_env), *node.paths())
    ran = node.netns.run(*words, check=False, env=node.environment())
    assert ran.returncode == 0 and int(ran.stdout.splitlines()[-1]) > 10, ran.stderr
    assert list(node.directory.glob("*.tmp")) == []


def test_another_mac_address_of_the_device_leaves_the_neighbors(make_nodes):
    """The kernel flushes them, permanent ones too, with each change of the device's address."""
    (node, peer), _switch = make_nodes(2)
    node.write([node.lease(), peer.lease()])
    node.ctl("apply")
    before = node.netns.ip("neighbour show dev flannel.1 nud permanent")
    assert before
    node.write([node.lease(vtep_mac="0a:00:00:00:00:77"), peer.lease()])
    node.ctl("apply")
    assert node.netns.ip("neighbour show dev flannel.1 nud permanent") == before
    node.netns.run("ip link set flannel.1 address 0a:00:00:00:00:78")
    entry = f"{before[0]['dst']} lladdr {before[0]['lladdr']} dev flannel.1 nud permanent"
    node.netns.run(f"ip neighbour replace {entry}")
    node.ctl("apply")
    (link,) = node.netns.ip("link show flannel.1")
    assert link["address"] == "0a:00:00:00:00:77"
    assert node.netns.ip("neighbour show dev flannel.1 nud permanent") == before
