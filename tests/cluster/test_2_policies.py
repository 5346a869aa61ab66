# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkPolicies in a cluster of machines: pods that start under a policy, podnetd killed and away, a node that boots;
then policies off again, and nothing left."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import OVERLAY

NAMESPACE, PORT = "policies", 8080
IMAGE = {"image": "podnet.local/toolbox:1", "imagePullPolicy": "IfNotPresent"}
#: Pods of the start race, on all nodes together.
RACERS = 45
#: Prints what the server serves. (A static busybox's wget wants the C library's files.)
FETCH = rf"printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 1 $SERVER {PORT} | tail -n 1"
#: What a racer's init container does first of all: its packet meets the policy or slips through.
KNOCK = f"{FETCH} | grep -q here && echo reached || echo denied"
#: A control knocks until it is let in: other nodes learn of a pod a moment after it has begun.
KNOCK_AGAIN = f"for i in $(seq 20); do {FETCH} | grep -q here && echo reached && exit; sleep 0.5; done; echo denied"
TABLE = "nft list table inet podnet_policy"


def apply(lab, *objects: dict) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    lab.node("node1", f"kubectl apply -f - <<'END'\n{text}\nEND")


def pod(name: str, node: str, command: str, init: str = "", server: str = "", **labels: str) -> dict:
    shell = {**IMAGE, "env": [{"name": "SERVER", "value": server}]}
    first = {**shell, "name": "first", "command": ["sh", "-c", f"({init}) > /dev/termination-log"]}
    spec = {
        "nodeName": node, "terminationGracePeriodSeconds": 0, "restartPolicy": "Never",
        "automountServiceAccountToken": False, "initContainers": [first] if init else [],
        "containers": [{**shell, "name": "main", "command": ["sh", "-c", command]}],
    }  # fmt: skip
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app": name, **labels}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def policy(name: str, **spec: object) -> dict:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


class Workload:
    """A server, and a client on each node that may reach it by the policies, and one that may not."""

    def __init__(self, lab) -> None:
        self.lab = lab
        self.server = ""

    def create(self) -> None:
        apply(self.lab, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        serve = f"mkdir /tmp/w && echo here > /tmp/w/index.html && exec httpd -f -p {PORT} -h /tmp/w"
        clients = [
            pod(f"{role}-{node}", node, "sleep 100000", role=role)
            for node in self.lab.names
            for role in ("friend", "stranger")
        ]
        apply(self.lab, pod("server", "node2", serve), *clients)
        self.lab.kubectl("wait", "--namespace", NAMESPACE, "--for=condition=Ready", "--timeout=120s", "pod", "--all")
        self.server = self.status("server")["podIP"]

    def status(self, name: str) -> dict:
        return json.loads(self.lab.kubectl("get", "pod", name, "--namespace", NAMESPACE, "--output", "json"))["status"]

    def reaches(self, client: str) -> bool:
        fetch = ("sh", "-c", FETCH.replace("$SERVER", self.server))
        words = ("exec", "--namespace", NAMESPACE, client, "--", *fetch)
        return self.lab.node("node1", "kubectl", *words, check=False) == "here\n"

    def isolated(self) -> bool:
        """Whether the policies are in force: friends reach the server, strangers do not."""
        clients = [f"{role}-{node}" for role in ("friend", "stranger") for node in self.lab.names]
        with ThreadPoolExecutor() as threads:
            return [client for client, reached in zip(clients, threads.map(self.reaches, clients)) if reached] == [
                f"friend-{node}" for node in self.lab.names
            ]


@pytest.fixture(scope="module")
def enforced(_lab):
    """The lab, whose agents enforce policies meanwhile."""
    if _lab.broken:
        pytest.skip(f"the lab is not fit for this: {_lab.broken}")
    _lab.play(OVERLAY, "-e", "overlay_policy=true")
    yield _lab
    _lab.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s")
    _lab.play(OVERLAY)
    for name in _lab.names:
        assert _lab.node(name, TABLE, check=False) == ""
        left = _lab.node(name, "ls -d /var/lib/podnet/policy /run/podnet/policy* 2>/dev/null; true")
        assert left == "", (name, left)


@pytest.fixture(scope="module")
def workload(enforced):
    """The workload, and a policy that lets friends reach the server."""
    found = Workload(enforced)
    found.create()
    enforced.until("the server", lambda: found.reaches("stranger-node1") and found.reaches("friend-node3"), 30)
    friends = [{"from": [{"podSelector": {"matchLabels": {"role": "friend"}}}], "ports": [{"port": PORT}]}]
    apply(
        enforced,
        policy("friends", podSelector={"matchLabels": {"app": "server"}}, policyTypes=["Ingress"], ingress=friends),
        policy("racers", podSelector={"matchLabels": {"role": "racer"}}, policyTypes=["Egress"]),
    )
    enforced.until("the policies", found.isolated, 30)
    return found


def enforcement(lab, name: str) -> dict:
    return json.loads(lab.node(name, "podnetctl status --json; true"))["agent"]["policy"]


def test_every_agent_enforces_and_the_role_changes_nothing_again(enforced):
    for name in enforced.names:
        enforced.until(f"{name} is in force", lambda name=name: enforcement(enforced, name)["in_force"], 30)
        found = enforcement(enforced, name)
        assert all(found["watching"].values()) and found["objects"]["pods"] > 0
        assert "policy.bridge-bypassed" not in enforced.node(name, "podnetctl status --json; true")
    assert enforced.play(OVERLAY, "-e", "overlay_policy=true").changed == {}


def test_policies_hold_on_one_node_and_between_nodes(workload):
    assert workload.isolated()


def test_no_first_packet_slips_through(enforced, workload):
    """Some pods may reach the server: the knock itself works."""
    racers, controls = [], []
    for number in range(RACERS):
        node = enforced.names[number % len(enforced.names)]
        server = workload.server
        racers.append(pod(f"racer{number}", node, "true", role="racer", init=KNOCK, server=server))
        if number % 5 == 0:
            controls.append(pod(f"control{number}", node, "true", role="friend", init=KNOCK_AGAIN, server=server))
    apply(enforced, *racers, *controls)

    def told() -> dict[str, str]:
        found = {}
        for each in enforced.objects("pods", "--namespace", NAMESPACE):
            (state,) = [one["state"] for one in each["status"].get("initContainerStatuses", [])] or [{}]
            if "terminated" in state:
                found[each["metadata"]["name"]] = state["terminated"].get("message", "").strip()
        return found

    enforced.until("all have knocked", lambda: len(told()) == len(racers) + len(controls), 300)
    answers = told()
    knocked = {name: answer for name, answer in answers.items() if answer in ("reached", "denied")}
    assert len(knocked) >= 0.9 * len(answers), answers  # a runtime may fail to start one
    assert [name for name, answer in knocked.items() if name.startswith("racer") and answer != "denied"] == []
    assert [name for name, answer in knocked.items() if name.startswith("control") and answer != "reached"] == []
    names = [each["metadata"]["name"] for each in (*racers, *controls)]
    enforced.kubectl("delete", "pod", "--namespace", NAMESPACE, "--now", *names)


def test_an_agent_that_is_killed_lets_nothing_through_and_drops_nothing(enforced, workload):
    stop, lost, leaked = threading.Event(), [], []

    def knock(node: str) -> None:
        while not stop.is_set():
            if not workload.reaches(f"friend-{node}"):
                lost.append(node)
            if workload.reaches(f"stranger-{node}"):
                leaked.append(node)

    threads = [threading.Thread(target=knock, args=(node,)) for node in enforced.names]
    for thread in threads:
        thread.start()
    try:
        for _round in range(3):
            for name in enforced.names:
                enforced.node(name, "systemctl kill --signal KILL podnetd")
            time.sleep(4)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert (lost, leaked) == ([], [])


def test_while_podnetd_is_away_pods_of_namespaces_with_policies_wait(enforced, workload):
    enforced.node("node3", "systemctl stop podnetd")
    try:
        assert workload.isolated()
        apply(enforced, pod("late", "node3", "sleep 100000"))
        time.sleep(8)
        assert workload.status("late")["phase"] == "Pending"
        events = enforced.kubectl(
            "get", "events", "--namespace", NAMESPACE, "--field-selector", "involvedObject.name=late"
        )
        assert "podnetd" in events
    finally:
        enforced.node("node3", "systemctl start podnetd")
    enforced.until("the pod", lambda: workload.status("late")["phase"] == "Running", 120)


def test_a_node_that_boots_has_its_policies_before_its_pods(enforced, workload):
    """The unit's own work, as a boot has it: no table, and podnetd not yet."""
    enforced.until(
        "the program on disk", lambda: enforced.node("node3", "ls /var/lib/podnet/policy/program 2>/dev/null; true"), 60
    )
    enforced.node(
        "node3", "systemctl stop podnetd; nft delete table inet podnet_policy; systemctl restart podnet-policy"
    )
    try:
        assert "known4" in enforced.node("node3", TABLE)
        order = enforced.node("node3", "systemctl show --property=Before podnet-policy")
        assert "kubelet.service" in order and "containerd.service" in order and "podnetd.service" in order
    finally:
        enforced.node("node3", "systemctl start podnetd")
    enforced.until("the policies", workload.isolated, 60)
