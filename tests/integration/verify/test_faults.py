# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of faults.yml is injected with tools that are not ours; the verdict must name the right node, hop and
cause, and after the cure all must be clean again.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.podnet.cluster.plugins.module_utils.verify import evidence

FAULTS = [
    fault
    for file in ("faults.yml", "faults_others.yml")
    for fault in yaml.safe_load(Path(__file__).with_name(file).read_text(encoding="utf-8"))
]


def names(cluster) -> dict[str, str]:
    """What stands for what in a fault's commands."""
    pods = {pod.name.partition("/")[2]: pod for node in cluster.nodes for pod in node.pods}
    mac = cluster.nodes[1].netns.ip("link show flannel.1")[0]["address"]
    inner = pods["a2"].netns.ip("link show eth0")[0]["address"]
    under = cluster.nodes[2].netns.ip("link show eth0")[0]["address"]
    ports = {"H2B": pods["b2"].host, "H1B": pods["b1"].host, "H1": pods["a1"].host, "H2": pods["a2"].host}
    return {**ports, "M2": mac, "P2": inner, "U3": under}


def place(cluster, name: str):
    """The namespace of that name, and the node that it is or is on."""
    if name == "switch":
        return cluster.switch, None
    for node in cluster.nodes:
        if node.name == name:
            return node.netns, node
        for pod in node.pods:
            if pod.name == f"default/{name}":
                return pod.netns, node
    raise KeyError(name)


def filled(text: str, known: dict[str, str]) -> str:
    for word, value in known.items():
        text = text.replace(word, value)
    return text


def run(cluster, fault: dict, steps: list[str], known: dict[str, str]) -> None:
    """Run a fault's commands, each in one shell with those before it at the same place."""
    at, gathered = fault["at"], []
    for step in [*steps, ""]:
        name, _blank, command = step[1:].partition(" ") if step.startswith("@") else (fault["at"], " ", step)
        if gathered and (name != at or not step or step == "apply"):
            place(cluster, at)[0].run("sh", "-ec", "\n".join(gathered))
            gathered = []
        if step == "apply":
            place(cluster, name)[1].ctl("apply")
        elif step:
            at = name
            gathered.append(filled(command, known))


@pytest.fixture
def impatient(monkeypatch):
    """What is lost here is lost at once: no need to wait for it as long as a real network asks for."""
    for name, value in (("ATTEMPTS", 1), ("PATIENCE", 0.4), ("WATCH", 1.0)):
        monkeypatch.setattr(evidence, name, value)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["name"].replace(" ", "-"))
def test_a_fault_is_named(cluster, impatient, fault):
    known = names(cluster)
    ends = fault.get("ends", ["a1", "a2"])
    wanted = fault["verdict"]
    try:
        run(cluster, fault, fault["inject"], known)
        found = (cluster.traced if fault.get("packets") else cluster.looked_at)(*ends)
        told = json.dumps([found["verdict"], found["notes"]], indent=1)
        assert not found["ok"], told
        assert found["verdict"], [probe for probe in found["probes"] if not probe["ok"]]
        assert (found["verdict"]["node"], found["verdict"]["step"]) == (wanted["node"], wanted["step"]), told
        assert filled(wanted["cause"], known) in found["verdict"]["cause"], told
        assert found["verdict"]["cure"], told
    finally:
        run(cluster, fault, fault["cure"], known)
    after = cluster.looked_at(*ends)
    assert after["ok"], after["verdict"]
    assert after["failures"] == []


def test_no_false_alarm(cluster):
    """Twenty times, over all nodes, with packets."""
    pods = [pod for node in cluster.nodes for pod in node.pods]
    for number in range(20):
        source, target = pods[number % 6], pods[(number * 5 + 1) % 6]
        if source is target:
            target = pods[(number + 3) % 6]
        found = cluster.traced(source, target)
        assert found["ok"], (number, found["verdict"], [p for p in found["probes"] if not p["ok"]])
        assert found["verdict"] is None
        assert found["notes"] == []
