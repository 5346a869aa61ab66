# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where packets were lost, by what was captured where: recorded evidence, altered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import Endpoint
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.evidence import UnresolvedNeighbor
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.hop import NODE, CapturePoint
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import BaseChain, NeighborState, Qdisc

ETH0_IN, ETH0_OUT = CapturePoint(NODE, "eth0", "in"), CapturePoint(NODE, "eth0", "out")
TUNNEL_IN, TUNNEL_OUT = CapturePoint(NODE, "flannel.1", "in"), CapturePoint(NODE, "flannel.1", "out")
BRIDGE_IN, BRIDGE_OUT = CapturePoint(NODE, "cni0", "in"), CapturePoint(NODE, "cni0", "out")


def evidence(recorded) -> Finding:
    found = recorded.judge().fault.hop.evidence
    assert found
    return found


def test_a_healthy_path_is_ok(between_nodes, on_one_bridge, to_a_node):
    for recorded in (between_nodes, on_one_bridge, to_a_node):
        trace = recorded.judge()
        assert trace.ok and trace.fault is None and trace.notes == []
        assert all(hop.seen for path in trace.paths for hop in path.hops if hop.capture_points)


def test_what_leaves_one_node_and_does_not_reach_the_other_is_lost_on_the_wire(between_nodes):
    between_nodes.lose("node2", ETH0_IN)
    assert between_nodes.verdict() == ("node1", "wire", Code.WIRE_BLOCKED)
    lost = evidence(between_nodes)
    assert (lost.code, lost.subject, lost.parameters["last"]) == (Code.PACKETS_LOST, "eth0 of node2", "eth0 of node1")


@pytest.mark.parametrize(("answered", "code"), [(False, Code.WIRE_SILENT), (None, Code.WIRE_LOST)])
def test_the_nodes_own_packets_tell_of_the_underlay(between_nodes, answered, code):
    under = [probe for probe in between_nodes.probes if probe.scope == "underlay"]
    for probe in under:
        between_nodes.fail(probe)
        if answered is None:
            between_nodes.probes.remove(probe)
    between_nodes.lose("node2", ETH0_IN)
    assert between_nodes.verdict()[2] == code


def test_an_underlay_that_loses_large_packets_has_a_smaller_mtu(between_nodes):
    for probe in between_nodes.probes:
        if probe.scope == "underlay" and probe.size > 1400:
            between_nodes.fail(probe)
    between_nodes.lose("node2", ETH0_IN, large=True)
    assert between_nodes.verdict() == ("node1", "wire", Code.WIRE_MTU_TOO_SMALL)
    found = between_nodes.judge().fault.hop.finding
    assert (found.parameters["passed"], found.parameters["mtu"]) == (1400, 1350)
    assert evidence(between_nodes).parameters["packets"] == "large ICMP"


def test_the_return_path_is_told_from_the_forward_one(between_nodes):
    between_nodes.lose("node1", ETH0_IN)
    assert between_nodes.verdict() == ("node2", "wire", Code.WIRE_BLOCKED)
    assert str(between_nodes.judge().fault.path.direction) == "return"


def test_a_chain_between_two_points_is_convicted_and_others_stay_suspected(between_nodes):
    between_nodes.other.chains = [
        BaseChain("ip", "filter", "FORWARD", "forward", drops=True, dropping=["FORWARD"]),
        BaseChain("inet", "fw", "x", "forward", drops=True, policy_drops=True),
    ]
    assert between_nodes.judge().ok  # what is suspected alone accuses nobody
    between_nodes.lose("node2", BRIDGE_OUT)
    assert between_nodes.verdict() == ("node2", "filter", Code.CHAIN_DROPS)
    hop = between_nodes.judge().fault.hop
    assert [finding.subject for finding in [hop.finding, *hop.suspected]] == ["ip filter FORWARD", "inet fw x"]
    assert hop.evidence.parameters["last"] == "flannel.1 of node2"


def test_what_is_behind_the_last_point_is_not_accused(between_nodes):
    """The packets have passed node1's chain when they are lost on the wire."""
    between_nodes.one.chains = [BaseChain("inet", "fw", "x", "forward", drops=True, dropping=["x"])]
    between_nodes.lose("node2", ETH0_IN)
    assert between_nodes.verdict()[2] == Code.WIRE_BLOCKED


def test_a_queue_on_the_underlay_is_convicted_before_the_wire(between_nodes):
    between_nodes.one.qdiscs = [Qdisc("eth0", "netem")]
    between_nodes.lose("node1", ETH0_OUT)
    assert between_nodes.verdict() == ("node1", "filter", Code.QDISC_UNUSUAL)


def test_chains_of_kubernetes_are_named_last(between_nodes):
    between_nodes.other.chains = [
        BaseChain("ip", "filter", "FORWARD", "forward", drops=True, dropping=["KUBE-FORWARD"])
    ]
    between_nodes.lose("node2", BRIDGE_OUT)
    assert between_nodes.verdict() == ("node2", "filter", Code.CHAIN_OF_KUBERNETES_DROPS)


def test_an_unresolved_neighbor_is_named_where_nothing_is_suspected(between_nodes):
    evidence = between_nodes.other.evidence
    evidence.unresolved = [UnresolvedNeighbor(NODE, "10.244.2.2", "cni0")]
    between_nodes.lose("node2", BRIDGE_OUT)
    assert between_nodes.verdict() == ("node2", "deliver", Code.NEIGHBOR_REPLY_UNHEARD)
    evidence.arp = []
    assert between_nodes.verdict() == ("node2", "deliver", Code.NEIGHBOR_UNRESOLVED)


def test_a_neighbor_that_failed_is_no_cause_where_its_pod_ignores_arp(between_nodes):
    """Who has tried before the trace leaves such an entry."""
    node = between_nodes.other
    node.neighbors = [each for each in node.neighbors if each.dst != "10.244.2.2"]
    node.neighbors.append(NeighborState("cni0", "10.244.2.2", state="failed"))
    between_nodes.lose("node2", BRIDGE_OUT)
    assert between_nodes.verdict() == ("node2", "deliver", Code.NEIGHBOR_FAILED)
    between_nodes.pod("a2").sysctls["net/ipv4/conf/eth0/arp_ignore"] = "8"
    assert between_nodes.verdict() == ("node2", "pod", Code.POD_ARP_IGNORED)


def test_a_pod_that_does_not_learn_its_gateway(between_nodes):
    between_nodes.other.evidence.unresolved = [UnresolvedNeighbor("default/a2", "10.244.2.1", "eth0")]
    between_nodes.lose("node2", CapturePoint("default/a2", "eth0", "out"))
    assert between_nodes.verdict() == ("node2", "pod-neighbor", Code.NEIGHBOR_UNRESOLVED)


def test_where_nothing_explains_it_the_captures_are_the_finding(between_nodes):
    between_nodes.lose("node2", BRIDGE_OUT)
    assert between_nodes.verdict() == ("node2", "bridge", Code.PACKETS_LOST)


def test_packets_that_are_not_even_sent(between_nodes):
    between_nodes.lose("node1", CapturePoint("default/a1", "eth0", "out"))
    assert between_nodes.verdict() == ("node1", "pod", Code.PACKETS_UNSEEN)


def test_packets_that_arrive_and_are_not_answered(between_nodes):
    between_nodes.lose("node2", CapturePoint("default/a2", "eth0", "out"))
    assert between_nodes.verdict() == ("node2", "pod", Code.PACKETS_IGNORED)


def test_an_icmp_time_exceeded_tells_that_the_ttl_ran_out(between_nodes):
    between_nodes.lose("node2", BRIDGE_OUT)
    for probe in between_nodes.probes:
        if not probe.ok:
            between_nodes.fail(probe, Code.PROBE_EXPIRED, reporter="10.77.0.12")
    assert between_nodes.verdict() == ("node2", "bridge", Code.PACKETS_EXPIRED)
    assert between_nodes.judge().fault.hop.finding.parameters["router"] == "10.77.0.12"


def test_a_peer_that_nobody_inspected(between_nodes):
    del between_nodes.states["node2"]
    between_nodes.one.evidence.captures = [
        each for each in between_nodes.one.evidence.captures if str(each.packet.path) == "forward"
    ]
    for probe in between_nodes.probes:
        if probe.scope == "path":
            between_nodes.fail(probe)
    assert between_nodes.verdict() == ("node1", "wire", Code.WIRE_BLOCKED)
    assert evidence(between_nodes).code == Code.PACKETS_UNANSWERED


def test_tcp_alone_is_lost(between_nodes):
    between_nodes.other.chains = [BaseChain("ip", "filter", "FORWARD", "forward", drops=True, dropping=["FORWARD"])]
    between_nodes.lose("node2", BRIDGE_OUT, ("tcp",))
    assert between_nodes.verdict() == ("node2", "filter", Code.CHAIN_DROPS)
    assert evidence(between_nodes).parameters["packets"] == "TCP"


def test_tcp_that_another_host_answers(between_nodes):
    between_nodes.other.chains = [BaseChain("ip", "filter", "FORWARD", "forward", drops=True, dropping=["FORWARD"])]
    between_nodes.lose("node2", BRIDGE_OUT, ("tcp",))
    for probe in between_nodes.probes:
        probe.ok, probe.failure = True, None
    assert between_nodes.verdict() == ("node2", "filter", Code.CHAIN_DROPS)
    assert evidence(between_nodes).code == Code.PACKETS_ANSWERED_BY_OTHER


def spoil_checksums(recorded) -> None:
    captures = [each for state in recorded.states.values() for each in state.evidence.captures]
    for each in captures:
        if each.packet.kind == "tcp" and each.point.direction == "in":
            each.packet = each.packet._replace(bad_checksum=True)
    for probe in recorded.probes:
        if probe.kind == "tcp":
            recorded.fail(probe)


def test_wrong_checksums_are_the_tunnel_s(between_nodes):
    spoil_checksums(between_nodes)
    assert between_nodes.verdict() == ("node1", "device", Code.TUNNEL_CHECKSUMS_WRONG)


def test_wrong_checksums_count_though_an_echo_failed_too(between_nodes):
    """A busy node answers an echo late; the rule that spoils checksums is suspected meanwhile."""
    spoil_checksums(between_nodes)
    between_nodes.fail(next(probe for probe in between_nodes.probes if (probe.scope, probe.kind) == ("path", "icmp")))
    between_nodes.one.chains = [BaseChain("ip", "k", "c", "postrouting", rewrites=True)]
    assert between_nodes.verdict() == ("node1", "device", Code.TUNNEL_CHECKSUMS_WRONG)


def test_a_smaller_mtu_counts_though_checksums_are_wrong_too(between_nodes):
    """Each of two faults on one path is named by the packets that only it concerns; echoes come first."""
    spoil_checksums(between_nodes)
    test_an_underlay_that_loses_large_packets_has_a_smaller_mtu(between_nodes)


def test_wrong_checksums_without_a_tunnel_are_the_device_s(on_one_bridge):
    spoil_checksums(on_one_bridge)
    assert on_one_bridge.verdict() == ("node1", "port", Code.CHECKSUMS_WRONG)


def test_where_packets_were_seen_everywhere_the_first_suspect_is_convicted(between_nodes):
    between_nodes.pod("a2").sysctls["net/ipv4/icmp_echo_ignore_all"] = "1"
    between_nodes.fail(next(probe for probe in between_nodes.probes if probe.scope == "path"))
    assert between_nodes.verdict() == ("node2", "pod", Code.POD_ECHO_IGNORED)
    assert evidence(between_nodes).code == Code.PROBE_NO_ANSWER


def test_a_service_whose_endpoints_answer(between_nodes):
    service = Endpoint("service", "default/web", "10.96.0.50", "", (between_nodes.target.address,))
    pod = between_nodes.pod("a1")
    pod.lookups.append(replace(pod.lookups[0], target=service.address))
    between_nodes.target = service
    between_nodes.one.chains = [BaseChain("ip", "nat", "PREROUTING", "prerouting", translates=True)]
    failed = replace(between_nodes.probes[0], scope="service", kind="tcp")
    between_nodes.probes.append(failed)
    between_nodes.fail(failed)
    assert between_nodes.verdict() == ("node1", "service", Code.SERVICE_DNAT_WRONG)
    between_nodes.one.chains = []
    assert between_nodes.verdict() == ("node1", "service", Code.SERVICE_NO_DNAT)
