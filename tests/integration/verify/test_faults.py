# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of the packet's way (tests/faults) is injected with tools that are not ours; the verdict must name the
right node, hop and cause, and after the cure all must be clean again.
"""

from __future__ import annotations

import json

import faults
import pytest

FAULTS = faults.load(faults.WAYS, faults.OTHERS, faults.FOREIGN)


def names(cluster, version: int = 4) -> dict[str, str]:
    """What a fault's symbols stand for here."""
    known = {}
    for node in cluster.nodes:
        number, (one, other) = node.number, node.pods
        which = 1 if version == 6 else 0
        block = node.cidrs[which].partition("/")[0]  # that of IPv4 ends in a zero, that of IPv6 in colons
        own = {
            "N": node.addresses[which],
            "C": node.cidrs[which],
            "A": one.addresses[which],
            "B": other.addresses[which],
        }
        own |= {"V": block, "G": f"{block.removesuffix('0')}1", "S": f"port{number}", "H": one.host}
        own["M"] = node.netns.ip("link show flannel.1")[0]["address"]
        own["P"] = one.netns.ip("link show eth0")[0]["address"]
        own["U"] = node.netns.ip("link show eth0")[0]["address"]
        known |= {f"{letter}{number}": value for letter, value in own.items()}
        known |= {f"H{number}B": other.host, node.name: node.name}
    return known


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


def run(cluster, fault: dict, steps: list[str], known: dict[str, str]) -> None:
    def at(name: str, script: str) -> None:
        netns, node = place(cluster, name)
        if script == "apply":
            node.ctl("apply")
        else:
            netns.run("sh", "-ec", script)

    faults.run(fault, steps, known, at)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["name"].replace(" ", "-"))
def test_a_fault_is_named(cluster, impatient, fault):
    named(cluster, fault, names(cluster), fault.get("ends", ["a1", "a2"]))


def named(cluster, fault: dict, known: dict[str, str], ends: list[str]) -> None:
    """Inject the fault: the verdict on the way between these ends names it; after the cure nothing is told."""
    wanted = fault["verdict"]
    try:
        run(cluster, fault, fault["inject"], known)
        place = (wanted["node"], wanted["step"])
        found = cluster.asked(place, *ends, packets=fault.get("packets", False))
        told = json.dumps([found["verdict"], found["notes"]], indent=1)
        assert not found["ok"], told
        assert found["verdict"], [probe for probe in found["probes"] if not probe["ok"]]
        assert (found["verdict"]["node"], found["verdict"]["step"]) == place, told
        assert faults.filled(wanted["cause"], known) in found["verdict"]["cause"], told
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
