# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own account of the rules that drop a trace's packets. The rules are nft's and iptables'."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.evidence import RuleDrop
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe.rule_trace import RuleTrace

OTHER, OTHER6 = "127.0.0.9", "::9"
RULES = """
add table inet foreign
add chain inet foreign words
add rule inet foreign words udp dport 99 counter drop
add chain inet foreign pre { type filter hook prerouting priority -150; }
add rule inet foreign pre jump words
add chain inet foreign shut { type filter hook input priority 5; policy drop; }
add rule inet foreign shut udp dport != 98 accept
"""


@pytest.fixture
def ruled(netns, eventually):
    netns.run("nft", "-f", "-", input=RULES)
    netns.run(f"ip address add {OTHER6} dev lo nodad")
    eventually("the address' local route", lambda: netns.ip(f"-6 route show table local {OTHER6}"), 60)
    netns.run(f"iptables -A OUTPUT -d {OTHER} -p udp --dport 97 -j DROP")
    return netns


def handle(netns, table: str, chain: str, number: int) -> int:
    rules = [each["rule"] for each in netns.nft(f"-a list chain {table} {chain}") if "rule" in each]
    return rules[number]["handle"]


def send(source: str, target: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.bind((source, 0))
        try:
            one.sendto(b"x", (target, port))
        except PermissionError:  # what OUTPUT drops
            pass


@pytest.mark.parametrize(("source", "target"), [("127.0.0.1", OTHER), ("::1", OTHER6)])
def test_the_rule_or_the_policy_that_drops_is_told(ruled, source, target):
    with ruled.entered(), RuleTrace(source, target) as trace:
        for port in (99, 99, 99, 98, 98):
            send(source, target, port)
        send(source, source, 99)  # others' packets are not traced
        found = trace.drops()
    assert found == [
        RuleDrop("inet", "foreign", "words", handle(ruled, "inet foreign", "words", 0), 3),
        RuleDrop("inet", "foreign", "shut", 0, 2),
    ]


def test_a_rule_of_iptables_is_told(ruled):
    with ruled.entered(), RuleTrace(OTHER, "127.0.0.1") as trace:
        send("127.0.0.1", OTHER, 97)
        assert trace.drops() == [RuleDrop("ip", "filter", "OUTPUT", handle(ruled, "ip filter", "OUTPUT", 0), 1)]


def test_nothing_is_left(ruled):
    before = ruled.run("nft list ruleset").stdout
    with ruled.entered(), RuleTrace("127.0.0.1", OTHER):
        pass
    assert ruled.run("nft list ruleset").stdout == before
