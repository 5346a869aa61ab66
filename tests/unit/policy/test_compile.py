# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The compiler's account of what changes: in any order of events the same Program, and Deltas that lead there."""

from __future__ import annotations

import random

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import pack_ip
from ansible_collections.podnet.cluster.plugins.module_utils.policy import files, read
from ansible_collections.podnet.cluster.plugins.module_utils.policy.compile import Compiler
from ansible_collections.podnet.cluster.plugins.module_utils.policy.evaluate import Flow, allows, judge
from ansible_collections.podnet.cluster.plugins.module_utils.policy.model import Namespace, Pod
from ansible_collections.podnet.cluster.plugins.module_utils.policy.program import (
    FIXED,
    Delta,
    Program,
    in_family,
)
from policies.cluster import NODES, nine, pod, policy
from policies.events import CASES, events, happen, key, record


def content(program: Program) -> tuple:
    """All that is in a Program; of a set's elements only whether they are there."""
    sets = {
        name: (each.kind, each.members if each.kind.verdict else set(each.members))
        for name, each in program.sets.items()
    }
    return sets, program.chains, program.locals


def both(chain: str, families: tuple[int, ...]) -> list[str]:
    """Its names for the families."""
    return [in_family(chain, family) for family in families]


class Mirror:
    """The state that a kernel would have after some Deltas; strict as a kernel is."""

    def __init__(self) -> None:
        self.sets = {name: {} for name in FIXED}
        self.chains = {}

    def follow(self, delta: Delta) -> None:
        for name, keys in delta.removed.items():
            for element in keys:
                del self.sets[name][element]
        for name in delta.new_sets:
            assert name not in self.sets
            self.sets[name] = {}
        for name, elements in delta.added.items():
            assert not elements.keys() & self.sets[name].keys()
            self.sets[name].update(elements)
        for name in delta.chains:
            assert (name in self.chains) == (name in delta.changed_chains)
        self.chains.update(delta.chains)
        for name in delta.gone_chains:
            del self.chains[name]
        for name in delta.gone_sets:
            del self.sets[name]

    def check(self, program: Program, families: tuple[int, ...] = (4, 6)) -> None:
        assert self.chains == program.chains
        assert {name: set(each) for name, each in self.sets.items()} == {
            name: set(each.members) for name, each in program.sets.items()
        }
        maps = [name for name, kind in FIXED.items() if kind.verdict]
        assert {name: self.sets[name] for name in maps} == {name: program.sets[name].members for name in maps}
        named = {line.chain for lines in self.chains.values() for line in lines if line.verdict == "jump"}
        named |= {chain for name in maps for chain in self.sets[name].values()}
        # after the tier Admin nothing leads back to where it goes on: the kernel refuses a circle
        after = [chain for name in maps if "admin" not in name for chain in self.sets[name].values()]
        while after:
            lines = self.chains[after.pop()]
            assert all(line.verdict != "goto" for line in lines)
            after += [line.chain for line in lines if line.verdict == "jump"]
        named |= {
            chain for local in program.locals.values() for base in local[1:] if base for chain in both(base, families)
        }
        assert named == set(self.chains)  # no chain is missing, and none is left
        used = {
            name
            for lines in self.chains.values()
            for line in lines
            for name in (line.source, line.target, line.ports, line.named, line.own)
        }
        assert used - {""} <= set(self.sets)
        hashes = {name.rpartition("_")[2] for name in used}  # the same for both families' sets
        assert {name.rpartition("_")[2] for name in set(self.sets) - set(FIXED)} <= hashes  # nor is any set left


@pytest.mark.parametrize("seed", range(60))
def test_events_lead_to_what_the_end_alone_would(seed):
    compiler, mirror = Compiler("node1", NODES["node1"], ["cni0"]), Mirror()
    chance = random.Random(seed)
    there = {}
    for action, item in events(seed):
        happen(compiler, action, item)
        there.pop(key(item), None)
        if action == "put":
            there[key(item)] = item
        if chance.random() < 0.3:
            mirror.follow(compiler.take())
            mirror.check(compiler.program)
    mirror.follow(compiler.take())
    mirror.check(compiler.program)
    fresh = Compiler("node1", NODES["node1"], ["cni0"])
    for item in there.values():
        happen(fresh, "put", item)
    fresh.take()
    assert content(fresh.program) == content(compiler.program)
    # what has gone leaves nothing
    for item in there.values():
        happen(compiler, "drop", item)
    mirror.follow(compiler.take())
    assert content(compiler.program) == content(Compiler("node1", NODES["node1"], ["cni0"]).program)


def of_nine(*policies: dict) -> Compiler:
    compiler = Compiler("node1", NODES["node1"], ["cni0"])
    cluster = nine()
    for item in (*cluster.namespaces, *cluster.pods, *policies):
        compiler.put(record(item))
    compiler.take()
    return compiler


FROM_B = policy("p", "x", ingress=[{"from": [{"podSelector": {"matchLabels": {"pod": "b"}}}]}])


def test_an_event_of_a_pod_elsewhere_touches_its_elements_only():
    compiler = of_nine(FROM_B)
    compiler.put(read.pod(pod("b2", "x", "node2", 40, {"pod": "b"})))
    delta = compiler.take()
    assert {name.partition("_")[0]: list(each) for name, each in delta.added.items()} == {
        "peers4": [pack_ip("10.244.2.40")],
        "peers6": [pack_ip("fd00:244:0:2::28")],
    }
    assert not (delta.removed or delta.chains or delta.new_sets or delta.gone_sets)
    assert not delta.narrows
    compiler.drop(Pod, "x/b2")
    assert compiler.take().narrows
    assert not compiler.take()


def test_a_pod_here_with_the_policies_of_another_makes_no_chain():
    compiler = of_nine(FROM_B)
    compiler.put(read.pod(pod("d", "x", "node1", 40, {"pod": "a"})))
    delta = compiler.take()
    assert not (delta.chains or delta.new_sets)
    assert sorted(delta.added) == ["ingress4", "ingress6", "known4", "known6", "self4", "self6"]


def test_an_address_that_two_pods_have_for_a_moment():
    """The next pod is seen before the last one's end."""
    compiler = of_nine(FROM_B)
    old = pod("b2", "x", "node2", 40, {"pod": "b"})
    compiler.put(read.pod(old))
    compiler.put(read.pod({**old, "metadata": {**old["metadata"], "name": "b3"}}))
    compiler.take()
    compiler.drop(Pod, "x/b2")
    assert not compiler.take()
    here = pod("d", "x", "node1", 41, {"pod": "a"})
    compiler.put(read.pod(here))
    compiler.take()
    compiler.put(read.pod({**here, "metadata": {"name": "e", "namespace": "y", "labels": {}}}))
    compiler.take()
    assert allows(compiler.program, pack_ip("10.244.2.9"), pack_ip("10.244.1.41"), 6, 80)  # y isolates nobody
    compiler.drop(Pod, "x/d")
    compiler.take()
    assert allows(compiler.program, pack_ip("10.244.2.9"), pack_ip("10.244.1.41"), 6, 80)
    compiler.drop(Pod, "y/e")
    compiler.take()
    assert not allows(compiler.program, pack_ip("10.244.2.9"), pack_ip("10.244.1.41"), 6, 80)


def test_unknown_addresses_are_closed():
    compiler = of_nine()
    assert judge(compiler.program, Flow(pack_ip("10.244.2.3"), pack_ip("10.244.1.200"), 6, 80)).accepted is False
    assert judge(compiler.program, Flow(pack_ip("10.244.1.200"), pack_ip("192.0.2.7"), 6, 80)).direction == "egress"
    # nor is a pod known before its namespace is
    compiler.put(read.pod(pod("a", "new", "node1", 200, {})))
    compiler.take()
    assert not allows(compiler.program, pack_ip("10.244.2.3"), pack_ip("10.244.1.200"), 6, 80)
    compiler.put(Namespace("new", ()))
    compiler.take()
    assert allows(compiler.program, pack_ip("10.244.2.3"), pack_ip("10.244.1.200"), 6, 80)


def test_an_attachment_that_is_no_pod_is_known_and_selected_by_nothing():
    deny = [policy("p", own, policyTypes=["Ingress", "Egress"]) for own in "xyz"]
    compiler = of_nine(*deny)
    compiler.put(Pod("", "podman-1", (), (pack_ip("10.244.1.99"),), (), "node1"))
    compiler.take()
    assert allows(compiler.program, pack_ip("10.244.1.99"), pack_ip("192.0.2.7"), 6, 80)
    assert not allows(compiler.program, pack_ip("10.244.1.99"), pack_ip("10.244.1.2"), 6, 80)


def test_a_node_of_one_family_has_chains_for_that_one_only():
    compiler = Compiler("node1", ["10.244.1.0/24"], ["cni0"])
    cluster = nine()
    for item in (*cluster.namespaces, *cluster.pods, FROM_B):
        compiler.put(record(item))
    mirror = Mirror()
    mirror.follow(compiler.take())
    mirror.check(compiler.program, families=(4,))
    assert compiler.program.sets["ingress4"].members and not compiler.program.sets["ingress6"].members
    assert not any(name.endswith("_6") or name.startswith("peers6") for name in (*mirror.chains, *mirror.sets))


def test_a_program_on_disk(tmp_path):
    path = str(tmp_path / "policies.json")
    assert files.load(path) is None
    compiler = of_nine(*CASES[3], *CASES[60])
    files.save(path, compiler.program)
    assert (tmp_path / "policies.json").stat().st_mode & 0o777 == 0o600
    loaded = files.load(path)
    assert content(loaded) == content(compiler.program)
    # a boot: no pod runs yet, all of the node's addresses are closed, and one comes back
    loaded.forget_pods()
    loaded.take()
    assert not allows(loaded, pack_ip("10.244.2.3"), pack_ip("10.244.1.2"), 6, 80)
    assert loaded.admit("x/nobody", (pack_ip("10.244.1.77"),)) is None
    delta = loaded.admit("x/a", (pack_ip("10.244.1.77"),))
    assert delta.added["known4"] == {pack_ip("10.244.1.77"): 1}
    assert loaded.sets["ingress4"].members[pack_ip("10.244.1.77")] == in_family(
        compiler.program.locals["x/a"].ingress, 4
    )


@pytest.mark.parametrize("seed", range(100, 125))
def test_what_was_allowed_is_cut_only_by_a_delta_that_narrows(seed):
    """Who cuts open connections need not look at others."""
    compiler, chance = Compiler("node1", NODES["node1"], ["cni0"]), random.Random(seed)
    ends = [pack_ip(f"10.244.{node}.{number}") for node in (1, 2) for number in range(2, 30, 3)] + [
        pack_ip("192.0.2.7")
    ]
    flows = [(chance.choice(ends), chance.choice(ends), 6, chance.choice([80, 81])) for _number in range(80)]
    before = []
    for action, item in events(seed):
        happen(compiler, action, item)
        delta = compiler.take()
        now = [allows(compiler.program, *flow) for flow in flows]
        assert delta.narrows or not any(was and not is_now for was, is_now in zip(before, now))
        before = now
