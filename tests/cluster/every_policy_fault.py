# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of tests/faults/policies.yml, one at a time, in a lab that enforces policies; before them no false alarm
with fifty policies in force, after them verify.yml with a policy that denies.

A part of `make faults`: too long for `make test`.
"""

from __future__ import annotations

import functools
import json
import time
from concurrent.futures import ThreadPoolExecutor

import faults
import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli import render_trace
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.request import new_mark
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import state_from
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace import resolve, verdict

from .conftest import NETWORK
from .test_2_policies import NAMESPACE, PORT, Workload, apply, enforced, enforcement, policy, workload

__all__ = ["enforced", "workload"]
#: Twenty rounds take longer than a test may on a busy machine.
pytestmark = pytest.mark.timeout(1200)
VERIFIED = "podnet-verify"
#: Rounds over the healthy cluster.
ROUNDS = 20


@pytest.fixture(scope="module", autouse=True)
def _up(_lab):
    _lab.lab("up", "-e", f"lab_network={NETWORK}", "-e", "lab_nodes=3", "-e", "lab_boot_timeout=400")
    _lab.play("site")


@pytest.fixture(scope="module")
def world(enforced, workload):
    """The workload; the policy's file on node1, by which faults restore it."""
    told = json.loads(enforced.kubectl("get", "networkpolicy", "friends", "-n", NAMESPACE, "--output", "json"))
    for key in ("uid", "resourceVersion", "generation", "creationTimestamp", "annotations", "managedFields"):
        told["metadata"].pop(key, None)
    enforced.node("node1", f"cat > /root/friends.yml <<'END'\n{json.dumps(told)}\nEND")
    return World(workload)


class World:
    """What the faults' symbols stand for, and traces as playbooks/trace.yml makes them."""

    def __init__(self, workload: Workload) -> None:
        self.lab, self.workload = workload.lab, workload
        blocks = {node["metadata"]["name"]: node["spec"]["podCIDR"] for node in self.lab.objects("nodes")}
        pods = json.loads(self.lab.node("node2", "podnetctl", "inspect"))["pods"]
        host = next(pod["host"] for pod in pods if pod["name"] == f"{NAMESPACE}/server")
        self.known = {"A2": workload.server, "H2": host, "C1": blocks["node1"], "C2": blocks["node2"]}
        self.known.update({name: name for name in self.lab.names})

    def run(self, fault: dict, steps: list[str]) -> None:
        faults.run(fault, steps, self.known, lambda place, script: self.lab.node(place, f"set -e\n{script}"))

    def traced(self, client: str, packets: bool) -> dict:
        """The trace from a client to the server's port."""
        source, node = self.workload.status(client)["podIP"], client.partition("-")[2]
        where, mark = list(dict.fromkeys([node, "node2"])), new_mark()

        def look(name: str) -> dict:
            words = ["--mark", mark, "--delay", "1" if name == node else "1.5"] if packets else []
            told = self.lab.node(
                name, "podnetctl", "inspect", source, self.workload.server, "--port", str(PORT), *words
            )
            return json.loads(told)

        with ThreadPoolExecutor(len(where)) as threads:
            states = [state_from(told) for told in threads.map(look, where)]
        ends = (resolve.resolve(address, states) for address in (source, self.workload.server))
        return render_trace.as_json(verdict.judge(*ends, states))

    def failing(self, name: str) -> list[dict]:
        """The findings of a node's checks."""
        told = json.loads(self.lab.node(name, "podnetctl", "inspect"))
        return [{**each["finding"], "step": each["step"]} for each in told["checks"] if not each["ok"]]

    def found(self, fault: dict) -> list[dict]:
        if fault.get("checks"):
            return [{**each, "suspected": [], "evidence": None} for each in self.failing(fault["verdict"]["node"])]
        told = self.traced(fault.get("from", "friend-node1"), fault.get("packets", False))
        return [told["verdict"]] if told["verdict"] else []


def knows(lab, name: str, policies: int) -> bool:
    """Whether the node's podnetd has read that many policies."""
    return enforcement(lab, name)["objects"]["networkpolicies"] >= policies


def gone(lab, policies: list[dict]) -> bool:
    """Deletes the policies; False where any is left, as an API server that is busy may have it."""
    names = [each["metadata"]["name"] for each in policies]
    lab.node("node1", "kubectl", "delete", "networkpolicy", "-n", NAMESPACE, "--ignore-not-found", *names, check=False)
    left = {each["metadata"]["name"] for each in lab.objects("networkpolicies", "-n", NAMESPACE)}
    return not left.intersection(names)


def test_no_false_alarm_with_fifty_policies(enforced, world):
    spec = {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress", "Egress"]}
    rules = {"ingress": [{"ports": [{"port": PORT}]}], "egress": [{}]}
    allowing = [policy(f"more{number}", **spec, **rules) for number in range(50)]
    apply(enforced, *allowing)
    try:
        for name in enforced.names:
            enforced.until(f"{name} knows them", functools.partial(knows, enforced, name, 50), 60)
        for number in range(ROUNDS):
            told = world.traced(f"friend-node{number % 3 + 1}", packets=number % 4 == 0)
            assert told["ok"] and not told["verdict"], json.dumps(told["verdict"], indent=1)
            assert world.failing(f"node{number % 3 + 1}") == []
    finally:
        enforced.until("they are gone", functools.partial(gone, enforced, allowing), 120)
    enforced.until("friends alone reach the server", world.workload.isolated, 60)


@pytest.mark.parametrize("fault", faults.load(faults.POLICIES), ids=lambda fault: fault["name"])
def test_a_fault_of_policies_is_named(enforced, world, fault):
    away = fault.get("away", [])
    wanted = fault["verdict"]
    found: list[dict] = []

    def named() -> bool:
        found[:] = world.found(fault)
        place = (wanted["node"], wanted["step"])
        return any((each["node"], each["step"]) == place and faults.judged(wanted, each, world.known) for each in found)

    try:
        for name in away:
            enforced.node(name, "systemctl stop podnetd")
        world.run(fault, fault["inject"])
        until = time.monotonic() + 60
        while not named() and time.monotonic() < until:
            time.sleep(1)
        assert named(), json.dumps(found, indent=1)
    finally:
        world.run(fault, fault["fix"])
        for name in away:
            enforced.node(name, "systemctl start podnetd")
    enforced.until("all is well again", lambda: world.traced("friend-node1", False)["ok"], 60)
    enforced.until("the checks, too", lambda: not world.failing(wanted["node"]), 90)


def test_verify_tells_what_policies_deny_from_what_is_lost(enforced):
    """No pod of the workload may be reached but by its own node."""
    apply(enforced, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": VERIFIED}})
    shut = policy("shut", podSelector={}, policyTypes=["Ingress"])
    shut["metadata"]["namespace"] = VERIFIED
    apply(enforced, shut)
    try:
        report = enforced.verify()
    finally:
        enforced.kubectl("delete", "networkpolicy", "shut", "-n", VERIFIED, "--ignore-not-found")
    assert report["ok"], report["failures"][:3]
    assert set(report["policies"]) == set(enforced.names)
    denied = [probe for probe in report["probes"] if probe["denied"]]
    assert denied and {probe["denied"]["parameters"]["policies"][0] for probe in denied} == {f"{VERIFIED}/shut"}
    between_pods = [probe for probe in report["probes"] if probe["scope"] == "pod to pod"]
    assert between_pods and all(probe["denied"] for probe in between_pods)
    own_node = [probe for probe in report["probes"] if probe["scope"] == "node to pod" and probe["ok"]]
    assert own_node  # a node reaches its own pods
    drops = [each["policies"] for state in report["policies"].values() for each in state["drops"]]
    assert [f"{VERIFIED}/shut"] in drops
