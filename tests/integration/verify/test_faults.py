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

FAULTS = yaml.safe_load(Path(__file__).with_name("faults.yml").read_text(encoding="utf-8"))


def names(cluster) -> dict[str, str]:
    """What stands for what in a fault's commands."""
    pods = {pod.name.partition("/")[2]: pod for node in cluster.nodes for pod in node.pods}
    mac = json.loads(cluster.nodes[1].run("ip -j link show flannel.1").stdout)[0]["address"]
    inner = json.loads(pods["a2"].run("ip -j link show eth0").stdout)[0]["address"]
    return {"H2B": pods["b2"].host, "H1": pods["a1"].host, "H2": pods["a2"].host, "M2": mac, "P2": inner}


def place(cluster, name: str):
    """The namespace of that name, and the node that it is or is on."""
    if name == "switch":
        return cluster.switch, None
    for node in cluster.nodes:
        if node.name == name:
            return node, node
        for pod in node.pods:
            if pod.name == f"default/{name}":
                return pod, node
    raise KeyError(name)


def filled(text: str, known: dict[str, str]) -> str:
    for word, value in known.items():
        text = text.replace(word, value)
    return text


def shell(where, commands: str) -> None:
    where.run("sh", "-ec", commands) if hasattr(where, "sysctl") else where.netns.run("sh", "-ec", commands)


def mend(cluster, fault: dict, known: dict[str, str]) -> None:
    where, node = place(cluster, fault["at"])
    for step in fault["cure"]:
        if step == "apply":
            node.ctl("apply")
        else:
            shell(where, filled(step, known))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["name"].replace(" ", "-"))
def test_a_fault_is_named(cluster, fault):
    known = names(cluster)
    where, _node = place(cluster, fault["at"])
    source, target = cluster.nodes[0].pods[0], cluster.nodes[1].pods[0]
    wanted = fault["verdict"]
    try:
        shell(where, filled("; ".join(fault["inject"]), known))
        found = (cluster.traced if fault.get("packets") else cluster.looked_at)(source, target)
        told = json.dumps(found["verdict"], indent=1)
        assert not found["ok"], told
        assert found["verdict"], [probe for probe in found["probes"] if not probe["ok"]]
        assert (found["verdict"]["node"], found["verdict"]["step"]) == (wanted["node"], wanted["step"]), told
        assert filled(wanted["cause"], known) in found["verdict"]["cause"], told
        assert found["verdict"]["cure"], told
    finally:
        mend(cluster, fault, known)
    after = cluster.looked_at(source, target)
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
