# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of tests/faults/services_lab.yml, one at a time, in a lab with the real kube-proxy: playbooks/trace.yml
names each; before and after it finds nothing.

A part of `make faults`: too long for `make test`.
"""

from __future__ import annotations

import json

import faults
import pytest
from faults.world import World, pods

from .conftest import NAME, NETWORK

NAMESPACE = "podnet-verify"
#: The cluster itself takes longer than a test may on a busy machine.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def world(_lab) -> World:
    _lab.lab("up", "-e", f"lab_network={NETWORK}", "-e", "lab_nodes=3")
    _lab.play("site")
    assert _lab.verify()["ok"]
    return World(_lab, NAME)


@pytest.fixture(scope="module")
def known(world) -> dict[str, str]:
    """What the symbols stand for: node1 has no control plane."""
    services = {
        f"{each['metadata']['namespace']}/{each['metadata']['name']}": each["spec"]
        for each in world.lab.objects("services", "--all-namespaces")
    }
    web = services[f"{NAMESPACE}/any"]
    more = {"K1": web["clusterIP"], "K2": str(web["ports"][0]["nodePort"])}
    return {**world.known(["node2", "node3"]), **more, "K3": services["kube-system/kube-dns"]["clusterIP"]}


def traced(world: World, fault: dict, known: dict[str, str]) -> dict:
    """The trace as playbooks/trace.yml writes it."""
    source = fault.get("from", "a1")
    names = [pod["metadata"]["name"] for pod in pods(world.lab)[known["node1"]]]
    to = {
        None: [f"{NAMESPACE}/any"], "dns": ["dns"], "api": ["default/kubernetes"],
        "port": [known["node2"], "-e", f"port={known['K2']}"],
    }[fault.get("to")]  # fmt: skip
    ends = known[source] if source in known else f"{NAMESPACE}/{names[0]}"
    result = world.lab.output / "service-trace.json"
    result.unlink(missing_ok=True)
    words = ["-e", f"from={ends}", "-e", f"to={to[0]}", *to[1:], "-e", f"verify_trace_result={result}"]
    world.lab.play("trace", *words, expect=None)
    return json.loads(result.read_text())


@pytest.mark.parametrize("fault", faults.load(faults.SERVICES_LAB), ids=lambda fault: fault["name"])
def test_a_fault_is_named(world, known, fault):
    def at(place: str, script: str) -> None:
        if place == "api":
            world.lab.node("node1", f"set -e; export KUBECONFIG=/etc/kubernetes/admin.conf\n{script}")
        else:
            world.lab.node(known[place], f"set -e\n{script}")

    wanted = fault["verdict"]
    try:
        faults.run(fault, fault["inject"], known, at)
        found = traced(world, fault, known)
    finally:
        faults.run(fault, fault["fix"], known, at)
    told = json.dumps([found["verdict"], found["notes"]], indent=1)
    assert not found["ok"] and found["verdict"], [probe for probe in found["probes"] if not probe["ok"]]
    assert (found["verdict"]["node"], found["verdict"]["step"]) == (known[wanted["node"]], wanted["step"]), told
    assert faults.judged(wanted, found["verdict"], known), told
    world.lab.until("nothing is found after the fix", lambda: traced(world, fault, known)["ok"], 60)
