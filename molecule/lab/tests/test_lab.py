# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that are machines: their own systemd, network and processes, and a way to each other."""

from __future__ import annotations

import json
import os
import subprocess

ADDRESSES = {"node1": "10.71.0.11", "node2": "10.71.0.12"}


def test_systemd_is_up(host):
    assert host.check_output("cat /proc/1/comm") == "systemd"
    assert host.run("systemctl is-system-running --wait").stdout.strip() in ("running", "degraded")
    assert host.check_output("hostname") == host.backend.node


def test_debian_release_is_the_one_asked_for(host):
    assert host.system_info.codename == {"node1": "bookworm", "node2": "trixie"}[host.backend.node]


def test_interface(host):
    (eth0,) = json.loads(host.check_output("ip -j address show dev eth0"))
    assert eth0["operstate"] == "UP"
    addresses = [entry["local"] for entry in eth0["addr_info"] if entry["family"] == "inet"]
    assert addresses == [ADDRESSES[host.backend.node]]


def test_peer_and_host_answer(host):
    for address in {*ADDRESSES.values(), "10.71.0.1"} - {ADDRESSES[host.backend.node]}:
        assert host.run(f"ping -c 1 -W 2 {address}").rc == 0, address


def test_inventory_gives_the_nodes_and_their_variables(root):
    inventory = json.loads(subprocess.check_output([root / "inventories/lab/nodes.py", "--list"], env=os.environ))
    assert inventory["control_plane"]["hosts"] == ["node1"]
    assert inventory["workers"]["hosts"] == ["node2"]
    assert inventory["cluster"]["vars"]["greeting"] == "hello"
    assert {name: value["node_address"] for name, value in inventory["_meta"]["hostvars"].items()} == ADDRESSES
