# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is broken in a cluster is named by verify.yml, with node, hop and fix, and nothing else is; and after the
fix all is clean again.

The faults are data, tests/faults; rounds.yml tells which ones are there at a time. Many more are injected between
network namespaces: tests/integration/verify.
"""

from __future__ import annotations

import json

import faults
import pytest
from faults.world import World, pods

from .conftest import NAME

ENTRIES = {fault["name"]: fault for fault in faults.load(faults.PATHS, faults.OTHERS, faults.LAB)}
ROUNDS = faults.load(faults.ROUNDS)


@pytest.fixture(scope="module")
def world(_lab) -> World:
    if _lab.broken:
        pytest.skip(f"the lab is not fit for this: {_lab.broken}")
    return World(_lab, NAME)


def test_a_healthy_path_is_ok(lab):
    one, other = (pods(lab)[name][0]["metadata"]["name"] for name in ("node1", "node2"))
    ran = lab.play("trace", "-e", f"from={one}", "-e", f"to={other}")
    assert "Path OK." in ran.output
    lab.play("trace", "-e", f"from={one}", "-e", "to=podnet-verify/any")
    lab.play("trace", "-e", f"from={other}", "-e", "to=node3")


@pytest.mark.parametrize("names", ROUNDS, ids=", ".join)
def test_faults_are_named_and_nothing_else_is(lab, world, names):
    chosen = [(ENTRIES[name], world.known(nodes)) for name, nodes in names.items()]
    try:
        world.idle(chosen)
        world.everywhere([(fault, fault["inject"], known) for fault, known in chosen])
        found = failures(lab)
    finally:
        world.everywhere([(fault, fault["fix"], known) for fault, known in chosen])
    shown = "\n".join(f"{each['node']}, {each['step']}, {each['code']}: {each['text']}" for each in found)
    places, effects, codes = set(), set(), set()
    for fault, known in chosen:
        for wanted in [fault["verdict"], *fault.get("also", [])]:
            place = (faults.filled(wanted["node"], known), wanted["step"])
            there = [each for each in found if (each["node"], each["step"] or "") == place]
            assert any(faults.judged(wanted, each, known) for each in there), (
                f"{fault['name']}: {wanted}: not in\n{shown}"
            )
            places.add(place)
            # other paths meet the same fault at another of the node's hops: a masquerade, where pods receive
            codes.add((place[0], wanted["code"]))
            # what follows from it on the same node; that an agent was stopped, or a pod does not answer
            effects |= {(place[0], effect) for effect in ["", *fault.get("effects", [])]}
    unexpected = [each for each in found if (each["node"], each["code"]) not in codes]
    assert {(each["node"], each["step"] or "") for each in unexpected} <= places | effects, shown
    assert all(each["fix"] for each in found)
    assert lab.verify()["failures"] == []


def failures(lab) -> list[dict]:
    """What a run tells that must find something, but for probes, which accuse nobody, and for what concerns no node."""
    result = lab.root / "build/cluster/faults.json"
    # a pod that is not Ready is no reason to wait
    options = ("verify_keep=true", f"verify_result={result}", "verify_traces=6", "verify_timeout=1", "verify_delay=4")
    lab.play("verify", *(word for option in options for word in ("-e", option)), expect=2)
    failures = json.loads(result.read_text())["failures"]
    found = [failure["fault"] for failure in failures if failure["kind"] != "probe"]
    return [fault for fault in found if fault and fault["node"]]
