# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is broken in a cluster is named, with node, cause and cure; and after the cure all is clean again.

Three faults at a time, one on each node, since a run takes its time: a forwarding entry missing while the agent is
stopped, containerd looking in another directory, kube-proxy stopped. The many faults of the packets' way are injected
between network namespaces: tests/integration/verify.
"""

from __future__ import annotations

import json

CONFIG = "/etc/containerd/config.toml"
AGENT = "if systemctl cat podnetd >/dev/null 2>&1; then systemctl {} podnetd; fi"


def pods(lab) -> dict[str, str]:
    """One pod of the workload on each node that has one, by node: its name with the namespace."""
    found = lab.objects("pods", "--namespace", "podnet-verify", "--selector", "app=each")
    return {pod["spec"]["nodeName"]: f"podnet-verify/{pod['metadata']['name']}" for pod in found}


def test_a_healthy_way_is_whole(lab):
    where = pods(lab)
    ran = lab.play("trace", "-e", f"from={where['node1']}", "-e", f"to={where['node2']}")
    assert "The way is whole." in ran.output
    lab.play("trace", "-e", f"from={where['node1']}", "-e", "to=podnet-verify/any")
    lab.play("trace", "-e", f"from={where['node2']}", "-e", "to=node3")


def test_faults_are_named_and_after_the_cure_there_are_none(milestone):
    lab = milestone
    where = pods(lab)
    lab.node("node1", AGENT.format("stop"))
    gone = lab.node("node1", "bridge fdb show dev flannel.1 | grep -m1 'dst 10.79.0.12'").split()[0]
    lab.node("node1", f"bridge fdb del {gone} dev flannel.1 dst 10.79.0.12")
    lab.node("node2", f"cp {CONFIG} /root/kept.toml; sed -i 's|/etc/cni/net.d|/etc/cni/elsewhere.d|' {CONFIG}")
    lab.node("node3", "kill -STOP $(pidof kube-proxy)")
    try:
        lab.play("verify", "-e", "verify_keep=true", "-e", "verify_result=build/cluster/faults.json", expect=2)
        report = json.loads((lab.root / "build/cluster/faults.json").read_text())
        told = {(entry["node"], entry["step"], entry["text"]) for entry in report["failures"]}
        for node, step, words in (
            ("node1", "fdb", f"no forwarding entry for {gone}, node2's VTEP"),
            ("node1", "fdb", "node is as the agent wants it"),
            ("node2", "cni", "containerd looks for configurations in /etc/cni/elsewhere.d"),
            ("node3", "service", "kube-proxy does not answer"),
        ):
            assert any((n, s) == (node, step) and words in text for n, s, text in told), (node, step, words, told)
        # nobody is accused wrongly; that no packet was seen between two nodes accuses none
        accused = [entry for entry in report["failures"] if entry["kind"] != "probe" and entry["node"]]
        assert {(entry["node"], entry["step"]) for entry in accused} <= {
            ("node1", "fdb"), ("node1", ""), ("node2", "cni"), ("node3", "service"),
        }  # fmt: skip
        assert all(entry["cure"] for entry in report["failures"] if entry["kind"] == "trace")
        traced = lab.play("trace", "-e", f"from={where['node1']}", "-e", f"to={where['node2']}", expect=2)
        assert "Broken on node1, at fdb" in traced.output
    finally:
        lab.node("node1", "podnetctl apply")
        lab.node("node1", AGENT.format("start"))
        lab.node("node2", f"mv /root/kept.toml {CONFIG}")
        lab.node("node3", "kill -CONT $(pidof kube-proxy)")
    assert lab.verify()["failures"] == []
