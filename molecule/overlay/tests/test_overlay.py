# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod network between the nodes, as the kernel has it."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest

ADDRESS = {"node1": "10.87.0.11", "node2": "10.87.0.12"}


def ip(host, arguments):
    """``ip -j`` in the node, parsed."""
    return json.loads(host.check_output(f"ip -j -d {arguments}") or "[]")


@pytest.fixture(scope="module")
def pod_cidrs(kubectl):
    """Each node's pod CIDR, as the API has it."""
    nodes = json.loads(kubectl("get nodes --output json"))["items"]
    return {node["metadata"]["name"]: node["spec"]["podCIDR"] for node in nodes}


def test_device(host, pod_cidrs):
    (device,) = ip(host, "address show dev flannel.1")
    data = device["linkinfo"]["info_data"]
    assert (data["id"], data["port"], data["local"]) == (1, 8472, ADDRESS[host.backend.node])
    assert device["mtu"] == 1450
    addresses = [entry["local"] for entry in device["addr_info"] if entry["family"] == "inet"]
    assert addresses == [pod_cidrs[host.backend.node].split("/")[0]]


def test_way_to_the_peer(host, pod_cidrs):
    (peer,) = set(ADDRESS) - {host.backend.node}
    (route,) = ip(host, f"route show {pod_cidrs[peer]}")
    assert (route["dev"], route["gateway"]) == ("flannel.1", pod_cidrs[peer].split("/")[0])
    assert "onlink" in route["flags"]
    (neighbour,) = ip(host, "neighbour show dev flannel.1 nud permanent")
    assert neighbour["dst"] == route["gateway"]
    entries = json.loads(host.check_output("bridge -j fdb show dev flannel.1"))
    assert [entry["dst"] for entry in entries if entry["mac"] == neighbour["lladdr"]] == [ADDRESS[peer]]


def test_peer_answers_through_the_tunnel(host, pod_cidrs):
    (peer,) = set(ADDRESS) - {host.backend.node}
    assert host.run(f"ping -c 1 -W 2 {pod_cidrs[peer].split('/')[0]}").rc == 0


def test_subnet_env(host, pod_cidrs):
    lines = dict(line.split("=", 1) for line in host.file("/run/flannel/subnet.env").content_string.splitlines())
    assert lines["FLANNEL_NETWORK"] == "10.244.0.0/16"
    assert lines["FLANNEL_SUBNET"] == pod_cidrs[host.backend.node].replace(".0/24", ".1/24")
    assert lines["FLANNEL_MTU"] == "1450"


def test_stays_and_comes_back_at_boot(host):
    unit = host.service("podnetd")
    assert unit.is_enabled and unit.is_running
    status = json.loads(host.check_output("podnetctl status --json"))
    assert status["in_sync"] and status["agent"]["in_sync"] and status["agent"]["source"]["connected"]


def test_what_is_undone_by_hand_heals(host, pod_cidrs):
    (peer,) = set(ADDRESS) - {host.backend.node}
    host.check_output("ip link delete flannel.1")
    for _try in range(50):
        routes = host.run(f"ip route show {pod_cidrs[peer]}").stdout
        if "flannel.1" in routes:
            break
        time.sleep(0.1)
    assert "flannel.1" in routes
    assert host.run(f"ping -c 1 -W 2 {pod_cidrs[peer].split('/')[0]}").rc == 0


def test_a_restart_changes_nothing(host):
    before = host.check_output("ip -d link show flannel.1; ip route; ip neighbour show nud permanent")
    host.check_output("systemctl restart podnetd")
    assert host.check_output("ip -d link show flannel.1; ip route; ip neighbour show nud permanent") == before


def test_masquerade_is_in_our_table(host):
    """Seen from outside: a node needs no nft program, and the bare ones have none."""
    network_namespace = f"{os.environ['PODNET_LAB']}-{host.backend.node}"
    command = ["ip", "netns", "exec", network_namespace, "nft", "list", "table", "inet", "podnet"]
    assert "masquerade" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
