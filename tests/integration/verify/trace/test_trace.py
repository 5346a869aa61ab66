# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trace in a healthy cluster."""

from __future__ import annotations

import json
import re


def test_a_healthy_path_is_ok(cluster):
    a1, b1, a2 = cluster.nodes[0].pods[0], cluster.nodes[0].pods[1], cluster.nodes[1].pods[0]
    for target in (a2, b1, cluster.nodes[1].address, cluster.nodes[0].address):
        found = cluster.traced(a1, target)
        assert found["ok"], found["verdict"]
        assert found["verdict"] is None, target
        hops = [hop for path in found["paths"] for hop in path["hops"]]
        assert {hop["verdict"] for hop in hops} == {"ok"}, [hop for hop in hops if hop["verdict"] != "ok"]
        # every interface on the path saw the echo pass
        assert all(hop["seen"] for hop in hops if hop["capture_points"]), [(hop["name"], hop["seen"]) for hop in hops]


def test_it_names_every_hop_in_order(cluster):
    found = cluster.traced(cluster.nodes[0].pods[0], cluster.nodes[1].pods[0])
    forward = [(hop["node"], hop["step"]) for hop in found["paths"][0]["hops"]]
    assert forward == [
        *[("node1", step) for step in (
            "pod", "pod-route", "pod-neighbor", "port", "bridge", "forwarding", "filter", "route", "nat", "device",
            "neighbor", "fdb", "filter", "underlay",
        )],
        ("node1", "wire"),
        *[("node2", step) for step in (
            "input", "device", "forwarding", "filter", "bridge", "route", "deliver", "port", "pod",
        )],
    ]  # fmt: skip


def test_on_one_node_by_the_names_of_pods(cluster):
    node = cluster.nodes[0]
    told = node.ctl("trace", "default/a1", "b1", "--root", str(node.root)).stdout
    assert told.endswith("Path OK.\n")
    assert "default/b1" in told


def test_ends_that_cannot_be(cluster):
    node = cluster.nodes[0]
    for source, target, reason in (
        ("default/a1", "default/nobody", "neither an address nor the name of a node or of a pod on node1"),
        (cluster.nodes[1].pods[0].address, cluster.nodes[2].pods[0].address, "this is node1: trace it there"),
        ("default/a1", "10.244.1.300", "neither an address nor the name of a node or of a pod on node1"),
    ):
        told = node.ctl("trace", source, target, "--root", str(node.root), status=2)
        assert reason in told.stderr and not told.stdout


def test_from_the_node_at_the_other_end(cluster):
    one, other = cluster.nodes[:2]
    told = other.ctl("trace", one.pods[0].address, "a2", "--root", str(other.root)).stdout
    assert "traced from the other end: node2 has default/a2" in told
    assert told.endswith("Path OK.\n")


def test_from_a_third_node_by_the_states_of_the_others(cluster, tmp_path):
    one, other, third = cluster.nodes
    ends = one.pods[0].address, other.pods[0].address
    files = []
    one.run(f"ip route del {other.cidr}")
    try:
        for node in (one, other):
            path = tmp_path / node.name
            path.write_text(json.dumps(node.inspect(*ends)))
            files += ["--state", str(path)]
    finally:
        one.ctl("apply")
    told = third.ctl("trace", "default/a1", "default/a2", *files, "--root", str(third.root), status=1).stdout
    assert "Broken at node1, route to 10.244.2.2 (forward path):" in told
    assert re.search("fix: +podnetctl apply", told)


def test_what_a_node_did_not_watch_accuses_nobody(cluster, tmp_path):
    one, other = cluster.nodes[:2]
    ends = one.pods[0].address, other.pods[0].address
    cluster.switch.run("nft add table bridge fault")
    try:
        cluster.switch.run("nft add chain bridge fault forward { type filter hook forward priority 0; }")
        cluster.switch.run(f"nft add rule bridge fault forward ip saddr {other.address} udp dport 8472 drop")
        early = tmp_path / "early"
        early.write_text(other.ctl("inspect", *ends, "--mark", "early", "--root", str(other.root)).stdout)
        found = one.trace("default/a1", "default/a2", "--state", str(early), status=1)
    finally:
        cluster.switch.run("nft delete table bridge fault")
    assert ("trace.window-missed", "node2") in [(note["code"], note["subject"]) for note in found["notes"]]
    assert (found["verdict"]["code"], found["verdict"]["evidence"]["code"]) == ("wire.blocked", "packets.unanswered")


def test_of_two_chains_that_may_drop_the_kernel_says_which_does(cluster):
    """Both have a limit, which reading cannot tell from no limit: the first one's is never reached."""
    node = cluster.nodes[1]
    rules = {"ip first f": "limit rate over 1000000/second", "ip second f": "limit rate 1000000/second"}
    try:
        for priority, (chain, limit) in enumerate(rules.items()):
            table = chain.removesuffix(" f")
            node.run(f"nft add table {table}")
            node.run(f"nft add chain {chain} {{ type filter hook forward priority {priority}; }}")
            node.run(f"nft add rule {chain} ip daddr {node.pods[0].address} {limit} drop")
        found = cluster.traced(cluster.nodes[0].pods[0], node.pods[0])
    finally:
        for chain in rules:
            node.run(f"nft delete table {chain.removesuffix(' f')}", check=False)
    verdict = found["verdict"]
    assert (verdict["node"], verdict["step"], verdict["subject"]) == ("node2", "filter", "ip second f"), verdict
    (note,) = [each for each in found["notes"] if each["code"] == "packets.rule-drop-traced"]
    assert note["subject"] == "ip second f" and note["parameters"]["packets"] > 0
