# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces with other back ends and IP versions: OK where all is well, and a fault is named there too."""

from __future__ import annotations

import pytest

CLUSTERS = {
    "vxlan, dual stack": ((4, 6), {}),
    "vxlan, IPv6 only": ((6,), {}),
    "host-gw": ((4,), {"backend": {"type": "host-gw"}}),
    "host-gw, dual stack": ((4, 6), {"backend": {"type": "host-gw"}}),
    "host-gw, IPv6 only": ((6,), {"backend": {"type": "host-gw"}}),
    "vxlan with direct routing": ((4,), {"backend": {"type": "vxlan", "direct_routing": True}}),
    "vxlan, pods hidden from nodes": ((4,), {"masquerade_nodes": True}),
}
OUTSIDE = {4: "10.77.0.99", 6: "fd00:77::99"}


@pytest.fixture(scope="module")
def world(cluster_of):
    """A machine on the underlay that is no node."""
    switch = cluster_of.switch
    for address in (f"{OUTSIDE[4]}/24", f"{OUTSIDE[6]}/64"):
        switch.run(f"ip address add {address} dev switch")
    return cluster_of


def healthy(cluster, source, target) -> list[dict]:
    """The hops of a path that must be OK, every interface on it having seen the echo pass."""
    found = cluster.traced(source, target, patience=6)
    assert found["ok"] and found["verdict"] is None, (found["verdict"], [p for p in found["probes"] if not p["ok"]])
    hops = [hop for path in found["paths"] for hop in path["hops"]]
    assert {hop["verdict"] for hop in hops} <= {"ok", "unknown"}, [hop for hop in hops if hop["verdict"] != "ok"]
    unsure = [hop for hop in hops if hop["step"] in ("route", "underlay") and hop["verdict"] != "ok"]
    assert not unsure, (source, target, unsure)
    unseen = [(hop["node"], hop["name"]) for hop in hops if hop["capture_points"] and not hop["seen"]]
    assert not unseen, (source, target, unseen)
    return hops


@pytest.mark.parametrize("cluster_of", CLUSTERS.values(), ids=CLUSTERS, indirect=True)
class TestPaths:
    def test_all_are_ok(self, world):
        one, other, _third = world.nodes
        for number, address in enumerate(other.pods[0].addresses):
            hops = healthy(world, one.pods[0].addresses[number], address)
            assert "pod" in {hop["step"] for hop in hops}
            healthy(world, one.pods[0].addresses[number], one.pods[1].addresses[number])
            healthy(world, one.name, address)
        healthy(world, one.pods[0], other.name)
        healthy(world, one.pods[0], one.name)
        healthy(world, one.name, other.pods[0])
        found = world.traced(one.pods[0], OUTSIDE[6 if ":" in one.address else 4])
        assert found["ok"], found["verdict"]
        assert world.failures() == []

    def test_what_is_lost_is_named(self, world, impatient):
        one, other, _third = world.nodes
        for number, cidr in enumerate(other.cidrs):
            ends = one.pods[0].addresses[number], other.pods[0].addresses[number]
            six = "-6 " if ":" in cidr else ""
            one.run(f"ip {six}route del {cidr}")
            verdict = world.looked_at(*ends)["verdict"]
            assert (verdict["node"], verdict["step"]) == ("node1", "route"), verdict
            assert (verdict["code"], verdict["subject"]) == ("route.missing", ends[1])
            verdict = world.looked_at(*reversed(ends))["verdict"]
            assert (verdict["node"], verdict["code"]) in (("node1", "route.missing"), ("node1", "route.return-missing"))
            one.ctl("apply")
            table = "ip6tables" if six else "iptables"
            other.run(f"{table} -A FORWARD -d {ends[1]} -j DROP")
            verdict = world.asked(("node2", "filter"), *ends, packets=True)["verdict"]
            assert (verdict["node"], verdict["step"]) == ("node2", "filter"), verdict
            other.run(f"{table} -F FORWARD")
            assert world.looked_at(*ends)["ok"]
