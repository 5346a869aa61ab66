# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large cluster is verified by a sample: everyone is source and target, and the stated coverage is the true one."""

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli.render_report import report_as_json
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks.report import report
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.api import cluster
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.matrix import probes, some
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.answer import NodeAnswer
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.evidence import IN, OUT, VxlanFlow
from ansible_collections.podnet.cluster.plugins.plugin_utils.table import render

from ..conftest import NAMESPACE, PORT, answered, attachment, lose


def large(nodes: int, pods: int):
    """A cluster of so many nodes with so many pods of the workload on each."""
    items = []
    for number in range(nodes):
        name, block = f"n{number:04}", f"10.{100 + number // 256}.{number % 256}"
        items.append(
            {
                "kind": "Node",
                "metadata": {"name": name},
                "spec": {"podCIDRs": [f"{block}.0/24"]},
                "status": {
                    "addresses": [{"type": "InternalIP", "address": f"10.77.{number // 250}.{number % 250 + 1}"}],
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
            }
        )
        items += [
            {
                "kind": "Pod",
                "metadata": {"name": f"p{number:04}-{one}", "namespace": NAMESPACE},
                "spec": {"nodeName": name, "containers": [{"name": "server"}]},
                "status": {"podIP": f"{block}.{one + 2}", "conditions": [{"type": "Ready", "status": "True"}]},
            }
            for one in range(pods)
        ]
    return cluster(items)


@pytest.mark.parametrize(("count", "most"), [(1, 4), (5, 4), (64, 64), (1000, 64), (997, 16), (100, 99)])
def test_everyone_is_chosen_as_often_as_chooses(count, most):
    chosen = Counter(item for position in range(count) for item in some(list(range(count)), position, most))
    assert set(chosen.values()) == {min(count, most)}
    for position in range(count):
        assert len(set(some(list(range(count)), position, most))) == min(count, most)


def test_a_thousand_nodes_by_a_sample():
    most = 16
    state = large(1000, 2)
    sources, targets, between, made = Counter(), Counter(), set(), Counter()
    for node in state.nodes:
        due = probes(state, node.name, NAMESPACE, PORT, most)
        made[len(due)] += 1
        for one in due:
            if one.scope == "pod to pod" and one.kind == "icmp":
                sources[one.source] += 1
                targets[one.target] += 1
                between.add((one.source, one.target))
    # bounded: from the node and its two pods echoes and TCP to so many pods, echoes to so many nodes
    assert max(made) <= 3 * (2 * most + most)
    assert len(sources) == len(targets) == 2000
    # nobody is left out; one may be chosen less who is the other's choice for itself
    assert min(sources.values()) >= most - 1 and min(targets.values()) >= most - 1
    assert len(between) == sum(sources.values())


def test_the_stated_coverage_is_the_true_one():
    most = 8
    state = large(60, 2)
    found, pairs, nodes = {}, set(), set()
    for node in state.nodes:
        results = []
        for one in probes(state, node.name, NAMESPACE, PORT, most):
            results.append(answered(one, node.name))
            if one.scope == "pod to pod":
                pairs.add((one.source, one.target))
                nodes.add(tuple(name.rpartition("/p")[2][:4] for name in (one.source, one.target)))
        attached = [attachment(pod.name, pod.address) for pod in state.pods if pod.node == node.name]
        found[node.name] = NodeAnswer(node.name, results, attachments=attached)
    addresses = {node.name[1:]: node.address for node in state.nodes}
    for one, other in nodes:
        for node, peer in ((one, other), (other, one)):
            here, there = addresses[node], addresses[peer]
            for direction, ends in ((OUT, (here, there)), (IN, (there, here))):
                found[f"n{node}"].flows.append(VxlanFlow("eth0", direction, *ends, 1, 1))
    # a tunnel is expected only between nodes whose pods were asked
    judged = report(state, found, NAMESPACE, PORT, True, sample=most)
    assert judged.ok, judged.failures[:3]
    sources = Counter(source for source, _target in pairs)
    targets = Counter(target for _source, target in pairs)
    assert judged.coverage._asdict() == {
        "pod_pairs": len(pairs),
        "all_pod_pairs": 120 * 119,
        "node_pairs": len({(one, other) for one, other in nodes if one != other}),
        "all_node_pairs": 60 * 59,
        "from_each_pod": min(sources.values()),
        "to_each_pod": min(targets.values()),
    }
    assert judged.coverage.to_each_pod >= most - 1
    lose(next(probe for probe in judged.probes if probe.source.startswith(f"{NAMESPACE}/p0037")))
    shown = render(report_as_json(judged), 120)
    assert "the 12 of 60 nodes that lose most" in " ".join(shown.split()) and "n0037" in shown and "n0059" not in shown
    assert "besides 60 that are Ready" in shown
    assert max(map(len, shown.splitlines())) <= 120
