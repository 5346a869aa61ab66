# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets through recorded rulesets of kube-proxy's shapes: where they may go, and by which rule."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset import walk
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.packet import ESTABLISHED, TCP, UDP, Packet
from standin import kube_proxy

from .conftest import ENDPOINTS, NODE, FakeNode

CLIENT = {4: "10.1.0.2", 6: "fd00:1::2"}
every_ruleset = pytest.mark.parametrize("version", [4, 6])
every_mode = pytest.mark.parametrize("mode", [*kube_proxy.MODES, "legacy"])


def outcomes(ruleset, version: int, destination: str, port: int, protocol: int = UDP, **more) -> list[walk.Outcome]:
    packet = Packet(more.pop("source", CLIENT[version]), destination, protocol, 40000, port, **{"iif": "in0", **more})
    return list(walk.outcomes(ruleset, FakeNode(), packet))


@every_mode
@every_ruleset
def test_a_service_leads_to_each_of_its_endpoints(ruleset, mode, version):
    found = outcomes(ruleset(f"{mode} {version}"), version, kube_proxy.service(version), 80)
    assert {(one.verdict, one.packet.destination, one.packet.dport) for one in found} == {
        ("accept", endpoint, 8080) for endpoint in ENDPOINTS[version]
    }
    assert {one.packet.source for one in found} == {CLIENT[version]}
    assert {effect.kind for one in found for effect in one.effects} == {"dnat"}


@every_mode
@every_ruleset
def test_a_node_port_is_masqueraded(ruleset, mode, version):
    found = outcomes(ruleset(f"{mode} {version}"), version, NODE[version], 30080)
    assert {one.packet.destination for one in found} == {*ENDPOINTS[version]}
    assert [[effect.kind for effect in one.effects] for one in found] == [["dnat", "masquerade"]] * len(found)
    assert {one.packet.source for one in found} == {NODE[version]}


@every_mode
@every_ruleset
def test_a_service_without_endpoints_is_refused_by_a_rule_of_kube_proxy(ruleset, mode, version):
    (found,) = outcomes(ruleset(f"{mode} {version}"), version, kube_proxy.empty(version), 80)
    assert (found.verdict, found.hook) == ("reject", "forward")
    assert found.rule and found.rule.key.name in ("KUBE-SERVICES", "reject-chain")


@every_mode
@every_ruleset
def test_other_ports_protocols_and_answers_are_not_translated(ruleset, mode, version):
    rules, service = ruleset(f"{mode} {version}"), kube_proxy.service(version)
    for port, protocol, more in ((81, UDP, {}), (80, TCP, {}), (80, UDP, {"state": ESTABLISHED})):
        assert not [one.effects for one in outcomes(rules, version, service, port, protocol, **more) if one.effects]


@every_ruleset
def test_an_endpoint_that_asks_its_own_service_is_masqueraded(ruleset, version):
    own = ENDPOINTS[version][0]
    found = outcomes(ruleset(f"iptables {version}"), version, kube_proxy.service(version), 80, source=own, iif="out0")
    hidden = {one.packet.destination: one.packet.source for one in found}
    assert hidden == {own: NODE[version], ENDPOINTS[version][1]: own}


@every_ruleset
def test_what_the_node_sends_itself_is_translated_in_output(ruleset, version):
    found = outcomes(ruleset(f"1.36 {version}"), version, kube_proxy.service(version), 80, source=NODE[version], iif="")
    assert {one.packet.destination for one in found} == {*ENDPOINTS[version]}
