# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No false alarm in twenty runs of verify.yml; then every IPv4 fault of tests/faults and those of a node, one by one.

`make faults`: too long for `make test`, whose lab has the faults of rounds.yml, several at a time. Here each is there
alone, and is named by what podnetctl inspect reports on the nodes of the path, put together as playbooks/trace.yml
does; those of a whole node by the node's checks.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import faults
import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli import render_trace
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.request import new_mark
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import state_from
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace import resolve, verdict
from faults.world import World

from .conftest import NAME, NETWORK

OF_A_NODE = {fault["name"] for fault in faults.load(faults.LAB)}


@pytest.fixture(scope="module")
def world(_lab) -> World:
    _lab.lab("up", "-e", f"lab_network={NETWORK}", "-e", "lab_nodes=3")
    _lab.play("site")
    assert _lab.verify()["ok"]
    return World(_lab, NAME)


@pytest.mark.parametrize("number", range(1, 21))
def test_no_false_alarm(world, number, record_property):
    """A run on the healthy cluster: nothing is told, and every probe was answered."""
    began = time.monotonic()
    report = world.lab.verify()
    record_property("seconds", round(time.monotonic() - began, 1))
    assert report["ok"] and report["failures"] == []
    assert all(probe["ok"] for probe in report["probes"])


@pytest.mark.parametrize(
    "fault", faults.load(faults.PATHS, faults.OTHERS, faults.FOREIGN, faults.LAB), ids=lambda fault: fault["name"]
)
def test_a_fault_is_named(world, fault):
    known = world.known(["node2", "node3"])
    try:
        world.idle([(fault, known)])
        world.run(fault, fault["inject"], known)
        found = _of_a_node(world, known) if fault["name"] in OF_A_NODE else _of_the_path(world, fault, known)
    finally:
        world.run(fault, fault["fix"], known)
    for wanted in [fault["verdict"], *fault.get("also", [])] if fault["name"] in OF_A_NODE else [fault["verdict"]]:
        place = (faults.filled(wanted["node"], known), wanted["step"])
        named = [each for each in found if (each["node"], each["step"]) == place and faults.judged(wanted, each, known)]
        assert named and all(each["fix"] for each in named), json.dumps(found, indent=1)
    world.lab.until("nothing is found after the fix", lambda: not _left(world, fault, known), 30)


def _of_a_node(world: World, known: dict[str, str]) -> list[dict]:
    """What the node's own checks find."""
    state = json.loads(world.lab.node(known["node1"], "podnetctl", "inspect"))
    failed = [check for check in state["checks"] if not check["ok"]]
    return [{**check["finding"], "step": check["step"] or "", "suspected": [], "evidence": None} for check in failed]


def _of_the_path(world: World, fault: dict, known: dict[str, str]) -> list[dict]:
    """The one verdict on the fault's path, whose states were taken while packets were sent."""
    found, _failures = _traced(world, fault, known, new_mark())
    assert not found["ok"] and found["verdict"], [probe for probe in found["probes"] if not probe["ok"]]
    return [found["verdict"]]


def _left(world: World, fault: dict, known: dict[str, str]) -> list:
    """What is still found on the fault's path and on the nodes at its ends."""
    found, failures = _traced(world, fault, known)
    return [*([] if found["ok"] else [found["verdict"]]), *failures]


def _traced(world: World, fault: dict, known: dict[str, str], mark: str = "") -> tuple[dict, list[dict]]:
    """The trace of a fault, and the failed checks of its nodes; with a mark, of packets that the first node sends when
    the others watch."""
    ends = fault.get("ends", ["a1", "a2"])
    source, target = (known[f"{'N' if name.startswith('node') else name[0].upper()}{name[-1]}"] for name in ends)
    where = list(dict.fromkeys(known[f"node{name[-1]}"] for name in ends))

    def look(name: str) -> dict:
        more = ["--mark", mark, "--delay", "1" if name == where[0] else "1.5"] if mark else []
        return json.loads(world.lab.node(name, "podnetctl", "inspect", source, target, *more))

    with ThreadPoolExecutor(len(where)) as threads:
        told = list(threads.map(look, where))
    states = [state_from(one) for one in told]
    found = verdict.judge(*(resolve.resolve(address, states) for address in (source, target)), states)
    return render_trace.as_json(found), [check for one in told for check in one["checks"] if not check["ok"]]
