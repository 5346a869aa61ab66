# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces where the back end is wireguard."""

from __future__ import annotations

import shutil

import pytest


def test_a_path_goes_through_the_peer_and_a_peer_that_is_lost_is_named(needs, request):
    needs("wireguard")
    if not shutil.which("wg"):
        pytest.skip("not installed: wg")
    cluster = request.getfixturevalue("cluster")
    leases = []
    for node in cluster.nodes:
        # room for the pods' MTU, which was vxlan's
        node.run("ip link set eth0 mtu 1510")
        cluster.switch.run(f"ip link set port{node.number} mtu 1510")
        key = node.root / "key"
        key.write_text(node.run("wg genkey").stdout)
        public = node.netns.run("wg", "pubkey", input=key.read_text()).stdout.strip()
        leases.append(
            {"name": node.name, "address": node.address, "pod_cidrs": [node.cidr], "public_key": public},
        )
    for node in cluster.nodes:
        node.configure(leases, backend={"type": "wireguard", "private_key_file": str(node.root / "key")})
        node.ctl("apply")
    one, other = (node.pods[0] for node in cluster.nodes[:2])
    one.run(f"ping -c 1 -W 10 {other.address}")
    found = cluster.traced(one, other)
    assert found["ok"] and found["verdict"] is None, found["verdict"]
    steps = [hop["step"] for hop in found["paths"][0]["hops"]]
    assert "wireguard" in steps and "fdb" not in steps and "neighbor" not in steps
    assert any("UDP 51820" in hop["name"] for hop in found["paths"][0]["hops"] if hop["step"] == "wire")
    cluster.nodes[0].run(f"wg set flannel-wg peer {leases[1]['public_key']} remove")
    found = cluster.traced(one, other)
    assert not found["ok"] and found["verdict"]["code"] == "wireguard.drifted", found["verdict"]
    assert leases[1]["public_key"] in found["verdict"]["parameters"]["pending"]
