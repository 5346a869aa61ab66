# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet's way in a healthy cluster."""

from __future__ import annotations


def test_a_healthy_way_is_whole(cluster):
    a1, b1, a2 = cluster.nodes[0].pods[0], cluster.nodes[0].pods[1], cluster.nodes[1].pods[0]
    for target in (a2, b1, cluster.nodes[1].address, cluster.nodes[0].address):
        found = cluster.traced(a1, target)
        assert found["ok"], found["verdict"]
        assert found["verdict"] is None, target
        hops = [hop for leg in found["legs"] for hop in leg["hops"]]
        assert {hop["verdict"] for hop in hops} == {"ok"}, [hop for hop in hops if hop["verdict"] != "ok"]
        # every interface on the way saw the echo pass
        assert all(hop["seen"] for hop in hops if hop["sights"]), [(hop["name"], hop["seen"]) for hop in hops]


def test_it_names_every_hop_in_order(cluster):
    found = cluster.traced(cluster.nodes[0].pods[0], cluster.nodes[1].pods[0])
    there = [(hop["node"], hop["step"]) for hop in found["legs"][0]["hops"]]
    assert there == [
        *[("node1", step) for step in (
            "pod", "pod-route", "pod-neighbour", "port", "bridge", "forwarding", "filter", "route", "nat", "device",
            "neighbour", "fdb", "filter", "underlay",
        )],
        ("node1 → node2", "wire"),
        *[("node2", step) for step in (
            "input", "device", "forwarding", "filter", "bridge", "route", "deliver", "port", "pod",
        )],
    ]  # fmt: skip


def test_on_one_node_by_the_names_of_pods(cluster):
    node = cluster.nodes[0]
    told = node.ctl("trace", "default/a1", "b1", "--root", str(node.root)).stdout
    assert told.endswith("The way is whole.\n")
    assert "default/b1" in told


def test_ends_that_cannot_be(cluster):
    node = cluster.nodes[0]
    for source, target, reason in (
        ("default/a1", "default/nobody", "no pod of node1 has that name"),
        (cluster.nodes[1].pods[0].address, "default/a1", "this is node1: trace it there"),
        ("default/a1", "10.244.1.300", "no pod of node1 has that name"),
    ):
        told = node.ctl("trace", source, target, "--root", str(node.root), status=2)
        assert reason in told.stderr and not told.stdout
