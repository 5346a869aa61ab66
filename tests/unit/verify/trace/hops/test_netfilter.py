# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may drop a packet: suspected, and never broken by itself."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings import render
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.evidence import RuleDrop
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.hop import Hop, Step, Verdict
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import BaseChain, XfrmPolicy
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.hops import netfilter


@pytest.mark.parametrize(
    ("count", "most", "full"), [("262144", "262144", True), ("9", "262144", False), ("9", "0", False)]
)
def test_a_full_connection_table_is_suspect(between_nodes, count, most, full):
    """Not injected: nf_conntrack_max is the host's."""
    between_nodes.one.sysctls["net/netfilter/nf_conntrack_count"] = count
    between_nodes.one.sysctls["net/netfilter/nf_conntrack_max"] = most
    found = [finding for hop in between_nodes.hops() for finding in hop.suspected]
    assert ({finding.code for finding in found} == {Code.CONNTRACK_FULL}) == full
    assert all("net.netfilter.nf_conntrack_max=524288" in render.fix(finding) for finding in found)


@pytest.mark.parametrize(("drops", "code"), [(True, Code.XFRM_POLICY_BLOCKS), (False, Code.XFRM_POLICY_TRANSFORMS)])
def test_an_ipsec_policy_is_suspect(between_nodes, drops, code):
    policy = XfrmPolicy("10.244.1.2/32", "10.244.2.2/32", "fwd", "forward", drops)
    between_nodes.one.xfrm_policies = [policy]
    assert between_nodes.suspected() == {code}


@pytest.mark.parametrize(
    ("chain", "concerned"),
    [
        (BaseChain("ip", "filter", "FORWARD", "forward"), True),
        (BaseChain("inet", "fw", "c", "forward"), True),
        (BaseChain("ip6", "filter", "FORWARD", "forward"), False),
        (BaseChain("netdev", "fw", "c", "ingress", devices=["cni0"]), True),
        (BaseChain("netdev", "fw", "c", "ingress", devices=["eth9"]), False),
        (BaseChain("bridge", "fw", "c", "input"), True),
    ],
    ids=str,
)
def test_chains_that_the_packet_does_not_come_by_are_not_suspect(between_nodes, chain, concerned):
    chain.drops = chain.policy_drops = True
    between_nodes.one.chains = [chain]
    assert (between_nodes.suspected() == {Code.CHAIN_POLICY_DROP}) == concerned


@pytest.mark.parametrize(
    ("chain", "command"),
    [
        (BaseChain("ip", "filter", "FORWARD", "forward", True, True), "iptables -P FORWARD ACCEPT"),
        (BaseChain("ip6", "filter", "FORWARD", "forward", True, True), "ip6tables -P FORWARD ACCEPT"),
        (BaseChain("iptables-legacy", "filter", "FORWARD", "forward", True, True), "iptables-legacy -P FORWARD ACCEPT"),
        (BaseChain("iptables-legacy", "mangle", "FORWARD", "forward", True), "iptables-legacy -t mangle -S FORWARD"),
        (BaseChain("inet", "fw", "c", "forward", True, True), "nft add chain inet fw c '{ policy accept; }'"),
        (BaseChain("inet", "fw", "c", "forward", True), "nft list chain inet fw c"),
    ],
    ids=str,
)
def test_the_fix_is_that_of_the_tool_which_made_the_chain(on_one_bridge, chain, command):
    chain.dropping = ["x"]
    on_one_bridge.pod("a1").chains = [chain]
    (finding,) = {finding for hop in on_one_bridge.hops() for finding in hop.suspected}
    assert finding.parameters["command"] == f"nsenter --net={on_one_bridge.pod('a1').netns} {command}"


def test_what_the_kernel_says_has_dropped_the_packets_comes_first():
    hop = Hop("node1", Step.FILTER, "forward", verdict=Verdict.BROKEN)
    hop.finding = Finding(Code.CHAIN_DROPS, "node1", "inet fw first")
    hop.suspected = [Finding(Code.QDISC_UNUSUAL, "node1", "eth0"), Finding(Code.CHAIN_DROPS, "node1", "ip fw second")]
    chains = [
        BaseChain("ip", "fw", "second", "forward", True, dropping=["words"]),
        BaseChain("inet", "fw", "first", "forward"),
    ]
    netfilter.prove(hop, [RuleDrop("inet", "fw", "words", 3, 9), RuleDrop("ip", "fw", "words", 4, 2)], chains)
    assert hop.finding.subject == "ip fw second"
    assert [each.subject for each in hop.suspected] == ["inet fw first", "eth0"]
    (note,) = hop.notes
    assert (note.code, note.subject) == (Code.RULE_DROP_TRACED, "ip fw words")
    assert note.parameters == {"rule": "handle 4", "packets": 2}


def test_a_drop_says_nothing_of_what_else_is_wrong():
    hop = Hop("node1", Step.FILTER, "forward").fail(Code.QDISC_UNUSUAL, "eth0")
    netfilter.prove(hop, [RuleDrop("ip", "fw", "c", 4, 2)], [BaseChain("ip", "fw", "c", "forward", True)])
    assert hop.finding.subject == "eth0" and hop.notes == []
