# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules inspect, probe, trace and report hand their data on through Ansible, as the role verify does."""

from __future__ import annotations

import json
import platform

import pytest

NAME = platform.node()
ITEMS = [
    {
        "kind": "Node",
        "metadata": {"name": NAME},
        "spec": {"podCIDRs": ["10.244.0.0/24"]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "198.18.0.1"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
]
PLAY = """
- hosts: localhost
  gather_facts: false
  vars:
    items: {items}
  tasks:
    - ansible.builtin.set_fact:  # once: each request has a mark of its own
        requests: "{{{{ items | podnet.cluster.trace_requests(ends=['{name}', '198.18.0.2']) }}}}"
    - podnet.cluster.probe:
        node: {name}
        checks: true
        required: false
        probes:
          - {{kind: icmp, address: 198.18.0.9, target: nobody, scope: node to node, attempts: 1, timeout: 0.2}}
      register: probed
    - podnet.cluster.node_network_info:
        requests: "{{{{ requests }}}}"
        delay: 0
      register: inspected
    - podnet.cluster.trace:
        request: "{{{{ requests[0] }}}}"
        states: "{{{{ inspected.states }}}}"
        path: {trace}
    - podnet.cluster.report:
        items: "{{{{ items }}}}"
        found: ["{{{{ probed }}}}"]
        namespace: probes
        port: 8080
        requests: "{{{{ requests }}}}"
        inspected: ["{{{{ inspected }}}}"]
        path: {report}
"""


@pytest.fixture
def played(ansible, tmp_path, make_netns):
    """The play run on a node without an overlay, with a neighbor; its output, the trace and the report."""
    node, other = make_netns(), make_netns()
    node.run(f"ip link add eth0 type veth peer name eth0 netns {other.name}")
    for number, netns in ((1, node), (2, other)):
        netns.run(f"ip address add 198.18.0.{number}/24 dev eth0")
        netns.run("ip link set eth0 up")
    play, trace, report = tmp_path / "play.yml", tmp_path / "trace.json", tmp_path / "report.json"
    play.write_text(PLAY.format(items=json.dumps(ITEMS), name=NAME, trace=trace, report=report))
    ran = ansible(
        "nsenter", f"--net={node.path}", "ansible-playbook", "-e", "ansible_python_interpreter=/usr/bin/python3",
        "-i", "localhost,", "-c", "local", str(play),
    )  # fmt: skip
    assert "Traceback" not in ran.stdout + ran.stderr
    assert report.exists(), ran.stdout + ran.stderr
    return ran, json.loads(trace.read_text()), json.loads(report.read_text())


def test_from_the_nodes_to_the_report(played):
    ran, trace, report = played
    assert trace["ok"], trace
    assert [probe["failure"] for probe in trace["probes"]] == [None] * len(trace["probes"])
    assert trace["paths"][0]["direction"] == "forward"
    assert [probe["kind"] for probe in trace["probes"]] == ["icmp", "icmp"]
    (entry,) = report["traces"]
    assert entry["from"]["node"] == NAME
    assert entry["ok"]
    # the probe that nobody answered is a finding, and so is what the node lacks
    codes = {failure["finding"]["code"]: failure for failure in report["failures"]}
    lost = codes["probe.no-answer"]["finding"]
    assert (lost["subject"], lost["node"], lost["parameters"]["timeout"]) == ("198.18.0.9", NAME, 0.2)
    assert "cni.conflist-missing" in codes
    assert ran.returncode != 0
    assert f"{len(report['failures'])} failures" in ran.stdout
