# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Service's hop, by what the node's rules do with the packet."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import Endpoint
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.hop import Step, Verdict
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.judged import (
    TCP,
    UDP,
    JudgedPacket,
    PacketOutcome,
    RuleState,
    Translation,
)
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.hops.netfilter import packet_filter
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.hops.node_view import NodeView
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.hops.service import resolver, service

WEB = Endpoint("service", "default/web", "10.96.0.50", "", ("10.244.2.2", "10.244.3.2"), False, ("TCP",))
SOURCE = "10.244.1.2"
KUBE, FOREIGN = RuleState("ip", "nat", "KUBE-SEP-A", 7), RuleState("inet", "fw", "pre", 9, "hardening")


def to(address: str, rule: RuleState = KUBE, unknown: tuple[str, ...] = ()) -> PacketOutcome:
    return PacketOutcome(
        "accept", SOURCE, address, 8080, translations=[Translation("dnat", rule, address, 8080)], unknown=[*unknown]
    )


def ended(
    rule: RuleState | None, chain: str = "inet fw pre", verdict: str = "drop", *done: Translation
) -> PacketOutcome:
    return PacketOutcome(verdict, SOURCE, WEB.address, 80, "prerouting", chain, rule, [*done])


EVERY = [to(address) for address in WEB.backends]
PLAIN = PacketOutcome("accept", SOURCE, WEB.address, 80)


@pytest.fixture
def view(between_nodes):
    return NodeView(between_nodes.one)


def judged(view, outcomes, target: Endpoint = WEB, protocol: int = TCP, iif: str = "cni0") -> None:
    view.state.judged.append(JudgedPacket(SOURCE, target.address, protocol, 80, iif, False, outcomes))


@pytest.mark.parametrize(
    ("outcomes", "code", "parameters"),
    [
        ([PLAIN], Code.SERVICE_NO_DNAT, {}),
        ([ended(FOREIGN)], Code.SERVICE_DROPPED, {"command": FOREIGN.removal, "verdict": "drop"}),
        ([ended(None)], Code.SERVICE_DROPPED, {"rule": "its policy"}),
        ([ended(KUBE, "ip filter FORWARD", "reject")], Code.SERVICE_REFUSED, {"expected": [*WEB.backends]}),
        ([to("192.0.2.1", FOREIGN)], Code.SERVICE_DIVERTED, {"actual": "192.0.2.1"}),
        ([PacketOutcome("accept", SOURCE, WEB.address, 80, translations=[Translation("notrack", FOREIGN)])],
         Code.SERVICE_UNTRACKED, {"command": "nft delete rule inet fw pre handle 9"}),
        ([*EVERY, to("10.244.9.9")], Code.SERVICE_STALE, {"actual": ["10.244.9.9"]}),
        (EVERY[:1], Code.SERVICE_INCOMPLETE, {"missing": ["10.244.3.2"]}),
        ([*EVERY, to(SOURCE)], Code.SERVICE_NO_HAIRPIN_SNAT, {"source": SOURCE}),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_service(view, outcomes, code, parameters):
    judged(view, outcomes)
    hop = service(view, SOURCE, WEB)
    assert (hop.step, hop.verdict) == (Step.SERVICE, Verdict.BROKEN)
    assert hop.finding.code == code
    assert parameters.items() <= hop.finding.parameters.items()


def test_a_service_as_it_should_be(view):
    judged(view, EVERY)
    assert service(view, SOURCE, WEB).verdict == Verdict.OK
    # UDP to a port of TCP alone is not translated, and needs not be
    judged(view, [PLAIN], protocol=UDP)
    assert service(view, SOURCE, WEB).verdict == Verdict.OK


def test_what_was_guessed_is_a_suspect_only(view):
    judged(view, [*EVERY, to("10.244.9.9", unknown=("match geoip",))])
    assert service(view, SOURCE, WEB).verdict == Verdict.SUSPECT


def test_a_service_of_two_protocols_needs_both(view):
    dns = Endpoint("service", "kube-system/kube-dns", "10.96.0.10", "", WEB.backends, False, ("TCP", "UDP"))
    judged(view, EVERY, dns)
    judged(view, [ended(FOREIGN)], dns, UDP)
    hop = service(view, SOURCE, dns)
    assert (hop.finding.code, hop.finding.parameters["protocol"]) == (Code.SERVICE_DROPPED, "UDP")


def test_local_policies(view):
    local = Endpoint("service", "default/web", view.state.addresses[0].ip, view.node, WEB.backends, True, ("TCP",))
    judged(view, [ended(KUBE, "ip nat PREROUTING")], local)
    assert service(view, SOURCE, local).finding.code == Code.SERVICE_NO_LOCAL_ENDPOINTS
    view.state.judged.clear()
    judged(view, EVERY[:1], local)
    assert service(view, SOURCE, local).verdict == Verdict.OK  # the others are on other nodes


def test_a_node_port_is_translated_where_it_arrives(view):
    there = Endpoint("service", "default/web", "10.77.0.12", "node2", WEB.backends, False, ("TCP",))
    judged(view, [PLAIN], there)
    assert service(view, SOURCE, there).verdict == Verdict.OK


def test_a_node_without_a_route_sends_nothing(view):
    judged(view, [PacketOutcome("unrouted", SOURCE, WEB.address, 80, "routing")], iif="")
    assert service(view, SOURCE, WEB).finding.code == Code.SERVICE_NO_ROUTE


def test_a_pod_that_asks_another_resolver(view):
    dns = Endpoint("service", "kube-system/kube-dns", "10.96.0.10", "", WEB.backends, False, ("TCP", "UDP"))
    judged(view, EVERY, dns)
    pod = view.pod_with(SOURCE)
    for servers, code in (
        (["10.96.0.10"], None),
        (["169.254.20.10"], None),
        ([], None),
        (["8.8.8.8"], Code.RESOLVER_OTHER),
    ):
        pod.nameservers = servers
        hop = service(view, SOURCE, dns)
        resolver(hop, pod, dns)
        assert (hop.finding.code if hop.finding else None) == code


def test_a_rule_that_ends_a_packet_is_the_first_suspect(view):
    outcome = ended(FOREIGN, "inet fw forward", "drop")
    outcome.hook = "forward"
    for protocol in (1, TCP, UDP):
        view.state.judged.append(JudgedPacket(SOURCE, "10.244.2.2", protocol, 9, "cni0", False, [outcome]))
    hop = packet_filter(view, Step.FILTER, ("prerouting", "forward"), 4, ["cni0"], (SOURCE, "10.244.2.2"))
    (first, *_others) = hop.suspected
    assert (first.code, first.subject) == (Code.PACKET_DROPPED, "inet fw forward")
    assert first.parameters["packets"] == ["ICMP", "TCP", "UDP"]
    assert first.parameters["command"] == "nft delete rule inet fw pre handle 9"


def test_where_nothing_is_sent_a_rule_that_ends_every_packet_is_the_fault(between_nodes):
    view = NodeView(between_nodes.one)
    outcome = ended(FOREIGN, "inet fw forward", "drop")
    outcome.hook = "forward"
    for state in between_nodes.states.values():
        state.evidence = None
    protocols = (1, TCP, UDP)
    for kinds, verdict in ((protocols[1:], None), (protocols, Code.PACKET_DROPPED)):
        view.state.judged = [JudgedPacket(SOURCE, "10.244.2.2", one, 9, "cni0", False, [outcome]) for one in kinds]
        fault = between_nodes.judge().fault
        assert (fault.hop.finding.code if fault else None) == verdict
