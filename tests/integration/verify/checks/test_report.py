# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's action, run by Ansible on the controller."""

from __future__ import annotations

import json

import pytest

NODE = {
    "kind": "Node",
    "metadata": {"name": "node1"},
    "spec": {"podCIDRs": ["10.244.0.0/24"]},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "192.0.2.11"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}
POD = {
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "probes"},
    "spec": {"nodeName": "node1", "containers": [{"name": "server"}]},
    "status": {"podIP": "10.244.0.2", "conditions": [{"type": "Ready", "status": "True"}]},
}
OK = {"ok": True, "failure": None, "node": "node1", "attempts": 1}
RESULTS = [
    {
        **OK,
        "source": "node1",
        "target": "probes/a",
        "scope": "node to pod",
        "kind": kind,
        "address": "10.244.0.2",
        "ms": 0.1,
    }
    for kind in ("icmp", "tcp")
] + [
    {
        **OK,
        "source": "probes/a",
        "target": "node1",
        "scope": "pod to node",
        "kind": "icmp",
        "address": "192.0.2.11",
        "ms": 1,
    }
]
ATTACHMENT = {"name": "probes/a", "container_id": "4f5c", "network": "podnet", "interface": "eth0", "netns": "/run/n"}
FOUND = {"node": "node1", "results": RESULTS, "attachments": [{**ATTACHMENT, "addresses": ["10.244.0.2"]}]}
FAILURE = {
    "code": "probe.no-route",
    "node": "node1",
    "subject": "10.244.0.2",
    "parameters": {"source": "node1", "address": "10.244.0.2"},
}


@pytest.fixture
def report(ansible, tmp_path):
    """A function that runs the action with these arguments; returns exit status and output."""

    def run(**arguments):
        play = tmp_path / "play.json"
        task = {"podnet.cluster.report": {"namespace": "probes", "port": 8080, **arguments}}
        play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
        ran = ansible("ansible-playbook", "-i", "localhost,", str(play))
        assert "Traceback" not in ran.stdout + ran.stderr
        return ran.returncode, " ".join((ran.stdout + ran.stderr).split())

    return run


def test_a_healthy_cluster_is_shown_and_written(report, tmp_path):
    path, svg = tmp_path / "new/verify.json", tmp_path / "lab.svg"
    status, output = report(items=[NODE, POD], found=[FOUND], path=str(path), svg=str(svg))
    assert status == 0, output
    assert "All 3 probes arrived" in output
    assert json.loads(path.read_text())["summary"]["node to pod"] == {"ok": 2, "total": 2, "denied": 0}
    assert svg.read_text().startswith("<svg")


def test_a_failure_fails_the_task_and_is_written(report, tmp_path):
    path = tmp_path / "verify.json"
    spoiled = {**FOUND, "results": [{**RESULTS[0], "ok": False, "ms": None, "failure": FAILURE}, *RESULTS[1:]]}
    status, output = report(items=[NODE, POD], found=[spoiled], path=str(path))
    assert status != 0
    assert "1 failures; the first: node to pod, icmp, node1 → probes/a: node1 has no route to 10.244.0.2" in output
    written = json.loads(path.read_text())
    assert (written["ok"], written["failures"][0]["finding"]["code"]) == (False, "probe.no-route")


def test_a_node_that_could_not_be_reached_is_a_failure(report):
    status, output = report(items=[NODE, POD], found=[{"unreachable": True}])
    assert status != 0
    assert "node was probed, node1: 0 of 3 probes were made on node1" in output


def test_an_answer_of_another_version_is_refused(report):
    status, output = report(items=[NODE, POD], found=[{**FOUND, "attachments": [{"pod": "probes/a"}]}])
    assert status != 0
    assert "NodeAnswer.attachments[0]: unknown: pod; missing: name" in output


def test_what_is_no_cluster_is_refused(report):
    status, output = report(items=[], found=[])
    assert status != 0
    assert "no object of kind Node" in output


def test_a_file_that_cannot_be_written_is_named(report):
    status, output = report(items=[NODE, POD], found=[FOUND], path="/proc/verify.json")
    assert status != 0
    assert "cannot write /proc/verify.json" in output
