# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hop's verdict: which of several faults stands, and what packets make of suspects."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.hop import (
    NODE,
    CapturePoint,
    Hop,
    Step,
    Verdict,
)


def hop() -> Hop:
    return Hop("node1", Step.ROUTE, "route to 10.244.2.2")


def test_the_first_fault_stays():
    found = hop().fail(Code.ROUTE_MISSING, "10.244.2.0/24").fail(Code.TUNNEL_DOWN, "flannel.1", True)
    assert (found.verdict, found.finding.code, found.consequence) == (Verdict.BROKEN, Code.ROUTE_MISSING, False)


def test_a_suspect_is_no_fault_until_packets_accuse_it():
    found = hop().suspect(Code.CHAIN_DROPS, "ip filter FORWARD").suspect(Code.CHAIN_REWRITES, "ip mangle FORWARD")
    assert (found.verdict, found.finding) == (Verdict.SUSPECT, None)
    seen = Finding(Code.CHAIN_DROPS, "node1", "cni0")
    found.convict(seen)
    assert (found.verdict, found.finding.code, found.evidence) == (Verdict.BROKEN, Code.CHAIN_DROPS, seen)
    assert [each.code for each in found.suspected] == [Code.CHAIN_REWRITES]


def test_a_broken_hop_is_not_made_a_suspect():
    assert hop().fail(Code.ROUTE_MISSING, "x").suspect(Code.CHAIN_DROPS, "y").verdict == Verdict.BROKEN


def test_what_is_suspected_comes_before_what_is_unlikely():
    found = hop()
    found.unlikely.append(Finding(Code.CHAIN_REWRITES, "node1", "y"))
    found.suspect(Code.CHAIN_DROPS, "x").convict(None)
    assert found.finding.code == Code.CHAIN_DROPS


def test_where_packets_are_looked_for():
    found = hop()
    assert found.capture_point == "route to 10.244.2.2 on node1"
    found.capture_points = [CapturePoint(NODE, "cni0", "in")]
    assert found.capture_point == "cni0 of node1"
    found.capture_points = [CapturePoint("default/web", "eth0", "in")]
    assert found.capture_point == "eth0 of default/web"
