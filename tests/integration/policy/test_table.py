# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table in a kernel: adopted, changed piece by piece, repaired, removed; that of others is never touched."""

from __future__ import annotations

import random

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import NETLINK_NETFILTER, NetlinkError
from ansible_collections.podnet.cluster.plugins.module_utils.policy import read
from ansible_collections.podnet.cluster.plugins.module_utils.policy.compile import Compiler
from ansible_collections.podnet.cluster.plugins.module_utils.policy.model import Pod, Policy
from ansible_collections.podnet.cluster.plugins.module_utils.policy.table import Table
from policies.cluster import NODES, cluster_policy, namespace, nine, pod, policy
from policies.events import CASES, compilers, events, happen, of_case

NAME = "table inet podnet_policy"


@pytest.fixture
def table(netns):
    with netns.entered():
        channel = Channel(NETLINK_NETFILTER)
    with channel:
        yield Table(channel)


def compiler_of(*policies: dict) -> Compiler:
    return compilers(of_case(list(policies)))["node1"]


FROM_B = policy(
    "p",
    "x",
    ingress=[
        {
            "from": [{"podSelector": {"matchLabels": {"pod": "b"}}}, {"ipBlock": {"cidr": "192.0.2.0/24"}}],
            "ports": [{"port": 80}, {"port": 443}, {"port": "serve-81"}],
        }
    ],
)


def test_it_is_made_once_and_adopted(table, netns):
    netns.run("nft add table inet other")
    compiler = compiler_of(FROM_B)
    plan = table.plan(compiler.program)
    assert [str(change) for change in plan.changes] == [f"add {NAME}"]
    assert plan.apply() == []
    before = netns.run("nft -a list ruleset").stdout
    assert "ip saddr @peers4_" in before and "table inet other" in before
    assert not table.plan(compiler_of(FROM_B).program).changes  # another process, the same names
    assert netns.run("nft -a list ruleset").stdout == before
    table.remove()
    table.remove()
    assert "podnet_policy" not in netns.run("nft list ruleset").stdout


@pytest.mark.parametrize("seed", range(12))
def test_events_one_by_one_lead_to_what_a_comparison_wants(table, seed):
    compiler, chance = Compiler("node1", NODES["node1"], ["cni0"]), random.Random(seed)
    assert table.plan(compiler.program).apply() == []
    compiler.take()
    for action, item in events(seed):
        happen(compiler, action, item)
        if chance.random() < 0.4:
            table.follow(compiler.take())
    table.follow(compiler.take())
    assert [str(change) for change in table.plan(compiler.program).changes] == []


def test_from_any_state_to_any_other(table):
    for policies in CASES[::23]:
        program = compilers(of_case(policies))["node1"].program
        assert table.plan(program).apply() == []
        assert [str(change) for change in table.plan(program).changes] == []


#: By nft, on what FROM_B makes: an element, a rule, a chain's end, a set.
DAMAGE = {
    "an element gone": "delete element inet podnet_policy known4 { 10.244.1.2 }",
    "an element more": "add element inet podnet_policy known4 { 10.244.1.222 }",
    "a pod without its chain": "delete element inet podnet_policy ingress4 { 10.244.1.2 }",
    "all local addresses": "flush set inet podnet_policy local4",
    "more local addresses": "add element inet podnet_policy local4 { 10.99.0.0/16 }",
    "a foreign rule": "insert rule inet podnet_policy egress accept",
    "no rules at the hook": "flush chain inet podnet_policy ingress",
    "a foreign chain": "add chain inet podnet_policy mine",
    "a foreign set": "add set inet podnet_policy mine { type ipv4_addr; }",
    "all of it": "delete table inet podnet_policy",
    "an empty table": "delete table inet podnet_policy; add table inet podnet_policy",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_drift_is_found_and_repaired(table, netns, damage):
    compiler = compiler_of(FROM_B)
    table.plan(compiler.program).apply()
    before = netns.run("nft list ruleset").stdout
    netns.run("nft", DAMAGE[damage])
    plan = table.plan(compiler.program)
    assert plan.changes
    assert plan.apply() == []
    assert not table.plan(compiler.program).changes
    assert sorted(netns.run("nft list ruleset").stdout.split()) == sorted(before.split())


@pytest.mark.parametrize(
    "first, then", [(("Baseline", "Deny"), ("Admin", "Pass")), (("Admin", "Pass"), ("Baseline", "Deny"))]
)
def test_an_older_table_that_another_program_reads_into_the_newer_one_is_no_loop(table, netns, first, then):
    """The kernel would refuse chains that lead to each other: "Too many links"."""

    def compiler(tier: str, action: str) -> Compiler:
        rules = [{"action": action, "to": [{"namespaces": {}}]}]
        return compiler_of(cluster_policy("p", tier, 1, {"namespaces": {}}, egress=rules))

    assert table.plan(compiler(*first).program).apply() == []
    older = netns.run("nft list table inet podnet_policy").stdout
    newer = compiler(*then).program
    assert table.plan(newer).apply() == []
    told = netns.run("nft", "-f", "-", input=older, check=False).stderr
    assert "Too many links" not in told
    assert table.plan(newer).apply() == [] and not table.plan(newer).changes


def test_a_set_of_another_shape_is_another_version_s(table, netns):
    netns.run("nft", "add table inet podnet_policy; add set inet podnet_policy known4 { type ipv6_addr; }")
    compiler = compiler_of(FROM_B)
    plan = table.plan(compiler.program)
    assert [str(change) for change in plan.changes] == [f"recreate {NAME}"]
    assert plan.apply() == []
    assert not table.plan(compiler.program).changes


def test_a_base_chain_at_another_hook_is_moved(table, netns):
    compiler = compiler_of(FROM_B)
    table.plan(compiler.program).apply()
    netns.run("nft", "delete chain inet podnet_policy ingress")
    netns.run("nft", "add chain inet podnet_policy ingress { type filter hook input priority 0; }")
    plan = table.plan(compiler.program)
    assert plan.changes and plan.apply() == []
    assert not table.plan(compiler.program).changes


def test_a_step_onto_a_table_that_is_not_as_it_was_is_refused_whole(table, netns):
    compiler = compiler_of(FROM_B)
    table.plan(compiler.program).apply()
    netns.run("nft", "delete element inet podnet_policy known4 { 10.244.1.2 }")
    before = netns.run("nft list ruleset").stdout
    compiler.drop(Pod, "x/a")
    with pytest.raises(NetlinkError):
        table.follow(compiler.take())
    assert netns.run("nft list ruleset").stdout == before
    assert table.plan(compiler.program).apply() == []
    assert not table.plan(compiler.program).changes


def test_many_pods_and_long_names(table, netns):
    """More than one message, and more than one transaction, holds; a comment has at most 128 bytes."""
    compiler = Compiler("node1", NODES["node1"], ["cni0"])
    names = ["n" * 63, "x"]
    for name in names:
        compiler.put(read.namespace(namespace(name)))
    for number in range(25000):
        item = pod(f"p{number}", "x", "node2", 2, {"app": f"a{number % 7}"})
        high, low = divmod(number, 250)
        item["status"]["podIPs"] = [{"ip": f"10.{high}.0.{low}"}, {"ip": f"fd01::{number:x}"}]
        compiler.put(read.pod(item))
    compiler.put(read.pod(pod("a", names[0], "node1", 2, {})))
    rule = {"from": [{"namespaceSelector": {"matchLabels": {"ns": "x"}}}]}
    compiler.put(read.policy(policy("q" * 253, names[0], ingress=[rule])))
    compiler.take()
    assert table.plan(compiler.program).apply() == []
    assert not table.plan(compiler.program).changes
    assert "rule 1 of nnn" in netns.run("nft list ruleset").stdout


def test_more_rules_than_one_transaction_holds(table):
    """Hundreds of policies of forty rules; and a step to none of them."""
    rules = [{"from": [{"ipBlock": {"cidr": f"10.{number}.0.0/16"}}], "ports": [{"port": 80}]} for number in range(40)]
    many = [policy(f"p{number}", "x", ingress=rules, egress=[{}]) for number in range(500)]
    compiler = compiler_of(*many)
    assert table.plan(compiler.program).apply() == []
    assert not table.plan(compiler.program).changes
    for item in many:
        compiler.drop(Policy, f"x/{item['metadata']['name']}")
    table.follow(compiler.take())
    assert not table.plan(compiler.program).changes


def test_a_thousand_ports_and_blocks(table):
    blocks = [{"ipBlock": {"cidr": f"10.{number}.0.0/17"}} for number in range(250)]
    blocks += [{"ipBlock": {"cidr": f"fd{number:02x}::/16"}} for number in range(10, 99)]
    ports = [{"port": number} for number in range(1, 3000, 2)]
    compiler = compiler_of(policy("p", "x", ingress=[{"from": blocks, "ports": ports}]))
    assert table.plan(compiler.program).apply() == []
    assert not table.plan(compiler.program).changes


def test_what_the_api_s_whole_range_of_addresses_becomes(table):
    """The last address has none after it, by which a range would end."""
    whole = [{"cidr": "128.0.0.0/1"}, {"cidr": "255.255.255.255/32"}, {"cidr": "0.0.0.0/0", "except": ["0.0.0.0/32"]}]
    whole += [{"cidr": "ffff::/16"}, {"cidr": "::/0", "except": ["8000::/1"]}]
    for block in whole:
        compiler = compiler_of(policy("p", "x", ingress=[{"from": [{"ipBlock": block}], "ports": [{"port": 65535}]}]))
        assert table.plan(compiler.program).apply() == []
        assert not table.plan(compiler.program).changes, block


def test_the_nine_pods_alone(table):
    assert nine().pods and table.plan(compiler_of().program).apply() == []
