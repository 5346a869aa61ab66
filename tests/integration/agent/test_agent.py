# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetd in network namespaces: it follows the leases, heals what is undone, and comes and goes unnoticed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

NEEDED = ("ping", "nft", "bridge", "curl", "ethtool")


@pytest.fixture(autouse=True)
def tools(netns):
    """Skip, with the reason, where a witness is not installed."""
    for tool in NEEDED:
        if netns.run("sh", "-c", f"command -v {tool}", check=False).returncode:
            pytest.skip(f"not installed: {tool}")


def ping(source, address: str) -> bool:
    """Whether one echo request from the namespace SOURCE is answered within 5 s."""
    return source.run("ping", "-c", "1", "-W", "5", address, check=False).returncode == 0


def same(node, before: dict) -> bool:
    """Whether the node's state is what it was; a new device's index is another."""
    now = node.state()
    for state in (now, before):
        for link in state["links"]:
            link.pop("ifindex", None)
    return now == before


def prefixes(node) -> set[str]:
    """Where the node's routes of ours lead, the end of all ways left out."""
    return {route["dst"] for route in node.netns.ip("route show proto 112 type unicast")}


@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_it_brings_the_node_up_and_follows_leases_that_come_change_and_go(make_nodes, eventually, backend):
    config = {"backend": {"type": backend}}
    nodes, _switch = make_nodes(3, **config)
    first, second, third = nodes
    for node in nodes:
        node.write([first.lease(), second.lease()] if node is not third else [x.lease() for x in nodes], **config)
        node.start()
    agent = first.agents[0]
    assert ping(first.pod, "10.244.2.2") and agent.status()["in_sync"]
    assert prefixes(first) == {"10.244.2.0/24"}
    for node in (first, second):
        node.write([x.lease() for x in nodes], **config)
    eventually("the new node's route", lambda: prefixes(first) == {"10.244.2.0/24", "10.244.3.0/24"})
    eventually("the new node's route", lambda: prefixes(second) == {"10.244.1.0/24", "10.244.3.0/24"})
    assert ping(first.pod, "10.244.3.2") and ping(third.pod, "fd00:244:0:2::2")
    assert first.plan() == [], "what the agent made in part is not what a look at everything would make"
    first.write([first.lease(), second.lease(), third.lease(pod_cidrs=["10.244.77.0/24"])], **config)
    eventually("the other podCIDR", lambda: prefixes(first) == {"10.244.2.0/24", "10.244.77.0/24"})
    first.write([first.lease(), second.lease()], **config)
    eventually("nothing of the node that left", lambda: prefixes(first) == {"10.244.2.0/24"})
    told = json.dumps(first.state())
    assert not [word for word in ("10.244.77.", "10.244.3.", "fd00:244:0:3:", "10.77.0.13") if word in told]
    assert first.plan() == [] and agent.status()["reconciliations"]["partial"] == 3
    assert agent.status()["drift"] == {}, "its own changes, seen as events, counted as drift"


DAMAGE = {
    "route": "ip route del 10.244.2.0/24",
    "IPv6 route": "ip -6 route del fd00:244:0:2::/64",
    "another's route": "ip route replace 10.244.2.0/24 via 10.77.0.13",
    "fence": "ip route del unreachable 10.244.0.0/16 metric 65535",
    "stray route": "ip route add 10.244.99.0/24 via 10.77.0.13 proto 112",
    "neighbour": "ip neigh del 10.244.2.0 dev flannel.1",
    "neighbour's MAC": "ip neigh replace 10.244.2.0 lladdr 02:00:00:00:00:66 dev flannel.1 nud permanent",
    "FDB": "sh -c 'bridge fdb del $(bridge fdb show dev flannel.1 | grep -w 10.77.0.12 | cut -c1-17) dev flannel.1'",
    "stray FDB": "bridge fdb append 02:00:00:00:00:99 dev flannel.1 dst 10.77.0.99",
    "device": "ip link del flannel.1",
    "down": "ip link set flannel.1 down",
    "MTU": "ip link set flannel.1 mtu 1400",
    "MAC": "ip link set flannel.1 address 02:00:00:00:00:66",
    "device's address": "ip address flush dev flannel.1",
    "bridge's address": "ip address del 10.244.1.1/24 dev cni0",
    "bridge down": "ip link set cni0 down",
    "table": "nft delete table inet podnet",
    "set": "nft flush set inet podnet seen_by_nodes4",
    "peers": "nft flush set inet podnet peers4",
    "overlay's port": "nft flush set inet podnet overlay_ports",
    "own addresses": "nft add element inet podnet vteps4 {{ 10.244.1.1 }}",
    "rules": "nft flush chain inet podnet postrouting",
    "guard": "nft flush chain inet podnet guard",
    "guard's other chain": "nft insert rule inet podnet overlay accept",
    "subnet.env": "rm {env}",
    "subnet.env's directory": "rm -r {env}/..",
    "subnet.env's text": "sh -c 'echo FLANNEL_MTU=9000 > {env}'",
    "forwarding": "sysctl -qw net.ipv4.ip_forward=0",
    "rp_filter": "sysctl -qw net/ipv4/conf/flannel.1/rp_filter=1",
}


def test_what_is_undone_by_hand_heals_and_is_counted(make_nodes, eventually):
    nodes, _switch = make_nodes(3, bridge="cni0")
    for node in nodes:
        node.ctl("apply")
    node = nodes[0]
    (node.directory / "podnetd.json").write_text('{"resync": 86400}')  # no timer helps
    agent = node.start()
    before, text = node.state(), node.subnet_env.read_text()
    for what, damage in DAMAGE.items():
        counted = sum(agent.status()["drift"].values())
        node.netns.run(damage.replace("{env}/..", str(node.subnet_env.parent)).format(env=node.subnet_env))
        eventually(f"{what} counted", lambda counted=counted: sum(agent.status()["drift"].values()) > counted)
        eventually(f"{what} healed", lambda: same(node, before))
        eventually(f"{what} healed", lambda: node.subnet_env.exists() and node.subnet_env.read_text() == text)
    assert {"route", "neighbour", "fdb", "link", "address", "nftables", "file", "sysctl"} <= set(
        agent.status()["drift"]
    )
    assert ping(node.pod, "10.244.2.2") and ping(node.pod, "fd00:244:0:2::2")
    assert re.search(r"^add route 10\.244\.2\.0/24 \(route 10\.244\.2\.0/24 was deleted", agent.log(), re.MULTILINE)
    assert node.plan() == [] and agent.get("/readyz") == (200, "ok\n")


def test_pods_come_and_go_and_it_looks_at_nothing(make_nodes, eventually):
    (node, _peer), _switch = make_nodes(2, bridge="cni0")
    agent = node.start()
    eventually("level", lambda: agent.status()["in_sync"])
    looks = {}
    while looks != agent.status()["reconciliations"]:  # what the kernel says of its own accord of what was just made
        looks = agent.status()["reconciliations"]
        time.sleep(1)
    for number in range(20):
        node.netns.run(f"ip link add veth{number} type veth peer name other{number}")
        node.netns.run(f"ip link set veth{number} master cni0 up")
        node.netns.run(f"ip neigh add 10.244.1.{50 + number} lladdr 02:00:00:00:01:{number:02x} dev cni0")
        node.netns.run(f"ip link del veth{number}")
    node.netns.run("ip route add 192.0.2.0/24 dev cni0")
    node.netns.run("nft add table inet other")
    node.netns.run("nft add element inet podnet hostports4 { tcp . 8080 : 10.244.1.2 . 80 }")
    # the event of this comes after all those
    node.netns.run("ip route del 10.244.2.0/24")
    eventually("the last one healed", lambda: prefixes(node) == {"10.244.2.0/24"})
    eventually("one look", lambda: agent.status()["reconciliations"]["full"] == looks["full"] + 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ended_and_started_again_and_again_no_packet_is_lost(make_nodes, number):
    nodes, _switch = make_nodes(2, bridge="cni0")
    for node in nodes:
        node.start()
    assert ping(nodes[0].pod, "10.244.2.2")
    before = nodes[0].state()
    stream = subprocess.Popen(
        ["nsenter", f"--net={nodes[0].pod.path}", "--", "ping", "-i", "0.01", "-c", "300", "10.244.2.2"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    times = 0
    while stream.poll() is None and times < 5:
        assert nodes[0].agents[-1].stop(number) == (0 if number == signal.SIGTERM else -number)
        assert nodes[0].state() == before
        nodes[0].start()
        times += 1
    output, _errors = stream.communicate(timeout=60)
    assert "300 packets transmitted, 300 received, 0% packet loss" in output
    assert times > 1 and nodes[0].state() == before and nodes[0].plan() == []


def test_without_its_underlay_it_waits_and_pods_are_not_let_in(make_nodes, eventually):
    (node, _peer), _switch = make_nodes(2)
    node.netns.run("ip address flush dev eth0")
    agent = node.start()
    status, reasons = agent.get("/readyz")
    assert status == 503 and "10.77.0.11 of node1, this node, is on none of its interfaces" in reasons
    assert not node.subnet_env.exists()
    node.netns.run("ip address add 10.77.0.11/24 dev eth0")
    eventually("ready", lambda: agent.get("/readyz")[0] == 200)
    assert node.subnet_env.exists() and prefixes(node) == {"10.244.2.0/24"}


def test_garbage_changes_nothing_and_is_told(make_nodes, eventually):
    (node, peer), _switch = make_nodes(2)
    agent = node.start()
    before = node.state()
    (node.directory / "leases.json").write_text("{")
    eventually("told", lambda: "leases.json: is not JSON" in agent.get("/readyz")[1])
    assert node.state() == before and agent.get("/healthz")[0] == 200
    assert [each["code"] for each in agent.status()["not_ready"]] == ["agent.configuration-invalid"]
    assert len(agent.logged("agent.configuration-invalid")) == 1
    wrong = {"name": "twin", "address": "10.77.0.66", "pod_cidrs": ["10.244.2.0/24"]}
    ours = {"name": "thief", "address": "10.77.0.11", "pod_cidrs": ["10.244.9.0/24"]}
    node.write([node.lease(), peer.lease(), wrong, ours, 7])
    eventually("the others work", lambda: agent.get("/readyz")[0] == 200)
    codes = {name: each["code"] for name, each in agent.status()["refused"].items()}
    assert codes == {"twin": "lease.pod-cidr-overlaps", "thief": "lease.taken", "leases[4]": "lease.invalid"}
    assert all(len(agent.logged(code)) == 1 for code in codes.values())
    assert "podnet_peers_refused 3.0" in agent.get("/metrics")[1].splitlines()
    assert node.state() == before


def test_the_back_end_is_changed_while_it_runs(make_nodes, eventually):
    nodes, _switch = make_nodes(2)
    for node in nodes:
        node.start()
    leases = [node.lease() for node in nodes]
    for kind, device in (("host-gw", False), ("vxlan", True)):
        for node in nodes:
            node.write(leases, backend={"type": kind, "checksum_offload": False})
        for node in nodes:
            eventually(kind, lambda node=node: not node.plan())
            names = {link["ifname"] for link in node.netns.ip("link")}
            assert ("flannel.1" in names) == device
        assert ping(nodes[0].pod, "10.244.2.2")
    features = nodes[0].netns.run("ethtool -k flannel.1").stdout
    assert "tx-checksumming: off" in features
    agent = nodes[0].agents[0]
    assert "checksum offload of flannel.1 is on: no fault is known of eth0 (veth)" in agent.log()
    assert "checksum offload of flannel.1 is off: backend.checksum_offload is false" in agent.log()
    assert "checksum offload: off: backend.checksum_offload is false" in nodes[0].ctl("status").stdout


def test_a_pod_address_without_a_node_does_not_leave_by_the_default_route(make_nodes):
    nodes, switch = make_nodes(2)
    switch.run("ip address add 10.77.0.1/24 dev switch")
    switch.run("ip address add 10.244.9.9/32 dev lo")
    nodes[0].netns.run("ip route add default via 10.77.0.1")
    assert ping(nodes[0].netns, "10.244.9.9"), "without an overlay it leaves"
    nodes[0].start()
    assert nodes[0].netns.run("ip route get 10.244.9.9", check=False).returncode
    for source in (nodes[0].netns, nodes[0].pod):
        told = source.run("ping", "-c", "1", "-W", "5", "10.244.9.9", check=False)
        assert "nreachable" in told.stdout + told.stderr or "No route to host" in told.stderr
    (fence,) = nodes[0].netns.ip("route show type unreachable")
    assert (fence["dst"], fence["metric"], fence["protocol"]) == ("10.244.0.0/16", 65535, "112")


def test_nodes_see_pods_by_their_own_addresses(make_nodes):
    nodes, switch = make_nodes(2)
    switch.run("ip address add 10.77.0.1/24 dev switch")
    for node in nodes:
        node.netns.sysctl("net.ipv4.conf.eth0.rp_filter", "2")
        node.start()
    seen = "nft add table ip seen; nft add chain ip seen input '{ type filter hook input priority 0; }'"
    counts = [
        f"nft add rule ip seen input ip saddr {address} icmp type echo-request counter"
        for address in ("10.244.1.2", "10.77.0.11")
    ]
    nodes[1].netns.run("sh", "-c", "; ".join([seen, *counts]))
    assert ping(nodes[0].pod, "10.77.0.12")
    rules = [entry["rule"]["expr"] for entry in nodes[1].netns.nft("list table ip seen") if "rule" in entry]
    assert [part["counter"]["packets"] for rule in rules for part in rule if "counter" in part] == [1, 0]
    # the world outside knows no way back to pods: it answers the node's address
    assert ping(nodes[0].pod, "10.77.0.1")


def test_a_strict_reverse_path_and_a_dropping_forward_chain_are_told_with_the_cure(make_nodes):
    (node, _peer), _switch = make_nodes(2)
    node.netns.sysctl("net.ipv4.conf.eth0.rp_filter", "1")
    node.netns.sysctl("net.ipv4.conf.all.rp_filter", "0")
    node.netns.run("iptables-legacy -P FORWARD DROP")
    agent = node.start()
    warnings = {(each["code"], each["subject"]) for each in agent.status()["warnings"]}
    assert warnings == {
        ("overlay.rp-filter-strict", "eth0"),
        ("overlay.forward-dropped", "iptables-legacy filter FORWARD"),
    }
    assert "fix: sysctl -w net.ipv4.conf.eth0.rp_filter=2" in agent.log()


def test_sighup_and_metrics_and_the_command_tell_the_same(make_nodes, eventually):
    (node, _peer), _switch = make_nodes(2)
    (node.directory / "podnetd.json").write_text('{"listen": "127.0.0.1:9441"}')
    agent = node.start()
    looks = agent.status()["reconciliations"]["full"]
    agent.process.send_signal(signal.SIGHUP)
    eventually("one more look", lambda: agent.status()["reconciliations"]["full"] > looks)
    figures = node.netns.run("curl -s http://127.0.0.1:9441/metrics").stdout
    assert "podnet_in_sync 1.0\n" in figures and 'podnet_source_connected{type="file"} 1.0\n' in figures
    told = json.loads(node.ctl("status", "--json").stdout)
    assert told["in_sync"] and told["agent"]["pid"] == agent.process.pid and told["agent"]["in_sync"]
    assert [peer["name"] for peer in json.loads(node.ctl("peers", "--json").stdout)["peers"]] == ["node2"]
    assert node.netns.run("curl -s -o /dev/null -w %{http_code} http://127.0.0.1:9441/nowhere").stdout == "404"
    for wrong, words in (
        ("{", "podnetd.json: is not JSON"),
        ('{"resync": 0}', "resync: 0 is not a number of seconds"),
        ('{"source": "kubernetes", "kubernetes": {"colour": 1}}', "kubernetes.colour: is not a setting"),
    ):
        (node.directory / "podnetd.json").write_text(wrong)
        agent.process.send_signal(signal.SIGHUP)
        eventually(words, lambda words=words: words in agent.log())
    assert "keeping the running settings" in agent.log() and agent.get("/healthz") == (200, "ok\n")
    (node.directory / "podnetd.json").write_text('{"listen": "127.0.0.1:9442"}')
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_ready()
    assert node.netns.run("curl -s http://127.0.0.1:9442/healthz").stdout == "ok\n"
    assert agent.process.poll() is None, "the process that systemd knows"
    agent.stop()
    assert "podnetd on node1 does not answer" in node.ctl("status").stdout


def elements(node) -> dict[str, str]:
    """What sets and maps of the table hold, by name, as nft has it."""
    listed = node.netns.run("nft -j list table inet podnet", check=False).stdout or '{"nftables": []}'
    held = (one for entry in json.loads(listed)["nftables"] for kind, one in entry.items() if kind in ("set", "map"))
    return {one["name"]: json.dumps(one["elem"], sort_keys=True) for one in held if "elem" in one}


def test_what_a_container_that_is_gone_had_reserved_is_released(make_nodes, make_netns, eventually, root, tmp_path):
    (node, _peer), _switch = make_nodes(2)
    subprocess.run([sys.executable, root / "plugins/module_utils/install.py", tmp_path / "installed"], check=True)
    programs = tmp_path / "installed/opt/podnet/current/bin"
    networks = tmp_path / "cni" / "networks"
    plugin = {
        "type": "flannel", "subnetFile": str(node.subnet_env), "ipam": {"dataDir": str(networks)},
        "delegate": {"isDefaultGateway": True}, "capabilities": {"portMappings": True},
    }  # fmt: skip
    (tmp_path / "net.d").mkdir()
    conflist = {"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]}
    (tmp_path / "net.d/10-pods.conflist").write_text(json.dumps(conflist))
    environment = {"NETCONFPATH": str(tmp_path / "net.d"), "CNI_PATH": str(programs)}
    (node.directory / "podnetd.json").write_text(json.dumps({"sweep": 1, "cni": str(tmp_path / "cni")}))
    agent = node.start(str(programs / "podnetd"), **environment)
    node.netns.run("ip link del pod0")  # that pod was connected by nobody's plugin
    pods = {name: make_netns() for name in ("living", "gone")}
    for port, (name, pod) in enumerate(pods.items(), 8001):
        ports = {"portMappings": [{"hostPort": port, "containerPort": 80, "protocol": "tcp"}]}
        node.netns.run(
            str(programs / "podnet-cni"), "--cache", str(tmp_path / "cni"), "add", "pods", pod.path,
            env={**os.environ, **environment, "CNI_CONTAINERID": name, "CAP_ARGS": json.dumps(ports)},
        )  # fmt: skip
    reserved = {
        path.read_text().split()[0]: path for path in (networks / "pods").iterdir() if path.name.startswith("10.")
    }
    assert set(reserved) == {"living", "gone"}
    subprocess.run(["ip", "netns", "delete", pods["gone"].name], check=True)
    for path in reserved.values():
        os.utime(path, (0, 0))  # so that no ADD can be running any more
    eventually("released", lambda: not reserved["gone"].exists(), 30)
    eventually("counted", lambda: agent.status()["addresses_released"] == 1)
    assert reserved["living"].exists()
    rules = node.netns.run("nft -nn list table inet podnet").stdout
    assert "8001" in rules and "8002" not in rules
    before = elements(node)
    assert ping(node.netns, reserved["living"].name)
    assert "released the addresses of gone (eth0, network pods)" in agent.log()
    node.netns.run("nft delete table inet podnet")
    eventually("host ports again", lambda: elements(node) == before)
    assert "nftables elements of pods of network pods restored" in agent.log()
    agent.stop()
    node.netns.run("nft flush map inet podnet hostports4")  # who has made the table anew meanwhile, too, left none
    agent = node.start(str(programs / "podnetd"), **environment)
    eventually("host ports after a start", lambda: elements(node) == before)


def test_who_undoes_it_again_and_again_gets_no_busy_loop(make_nodes, eventually):
    (node, _peer), _switch = make_nodes(2)
    agent = node.start()
    undo = ["nsenter", f"--net={node.netns.path}", "--", "sh", "-c", "while :; do ip route del 10.244.2.0/24; done"]
    began = time.monotonic()
    undoer = subprocess.Popen(undo, stderr=subprocess.DEVNULL)
    try:
        eventually("reported", lambda: agent.logged("agent.contention"))
    finally:
        undoer.kill()
        undoer.wait()
    assert agent.status()["reconciliations"]["full"] < 20 + (time.monotonic() - began)
    eventually("healed in the end", lambda: prefixes(node) == {"10.244.2.0/24"})
    eventually("level", lambda: agent.get("/healthz")[0] == 200)


def test_more_news_than_the_agent_can_take_in_is_a_reason_to_look(make_nodes, eventually, tmp_path):
    """It stands still while the kernel has more to tell than its sockets hold; among that is a route that is gone."""
    (node, _peer), _switch = make_nodes(2)
    agent = node.start()
    agent.process.send_signal(signal.SIGSTOP)
    others = [f"192.168.{number >> 8}.{number & 255}" for number in range(20000)]
    (tmp_path / "batch").write_text(
        "".join(f"route {what} {each} dev eth0\n" for what in ("add", "del") for each in others)
    )
    node.netns.run("ip", "-batch", str(tmp_path / "batch"))
    node.netns.run("ip route del 10.244.2.0/24")
    agent.process.send_signal(signal.SIGCONT)
    eventually("the route", lambda: prefixes(node) == {"10.244.2.0/24"})
    assert "events were lost" in agent.log()


def test_who_asks_for_nothing_makes_nobody_wait(make_nodes, eventually):
    (node, _peer), _switch = make_nodes(2)
    agent = node.start()
    path = str(node.directory / "run" / "podnetd.sock")
    silent = []
    for _number in range(30):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(30)
        client.connect(path)
        silent.append(client)
    for client in silent:
        assert client.recv(1) == b"", "a connection that asks nothing is closed"
        client.close()
    assert agent.get("/healthz") == (200, "ok\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(30)
        client.connect(path)
        client.sendall(b"GET /" + b"x" * 3000)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(b"x" * 3000)
            assert client.recv(1) == b""
    assert agent.get("/healthz") == (200, "ok\n")


def test_the_underlays_drop_of_pod_addresses_is_got_around(make_nodes, eventually):
    nodes, _switch = make_nodes(2, masquerade_nodes=True)
    for node in nodes:
        node.start()
    nodes[1].netns.run("nft add table ip strict")
    nodes[1].netns.run("nft add chain ip strict input '{ type filter hook input priority 0; }'")
    nodes[1].netns.run("nft add rule ip strict input iifname eth0 ip saddr 10.244.0.0/16 drop")
    assert ping(nodes[0].pod, "10.77.0.12")
    nodes[0].write([node.lease() for node in nodes])
    eventually("known", lambda: "10.244" in nodes[0].netns.run("nft list set inet podnet seen_by_nodes4").stdout)
    assert nodes[0].pod.run("ping", "-c", "1", "-W", "1", "10.77.0.12", check=False).returncode
