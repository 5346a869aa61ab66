# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is broken in a cluster is named, with node, cause and cure; and after the cure all is clean again.

Three faults at a time, one on each node, since a run takes its time. The many faults of the packets' way are injected
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


def told(lab) -> tuple[list[dict], set[tuple[str, str, str]]]:
    """The failures of a run that must find some: all, and as node, step and text."""
    lab.play("verify", "-e", "verify_keep=true", "-e", "verify_result=build/cluster/faults.json", expect=2)
    found = json.loads((lab.root / "build/cluster/faults.json").read_text())["failures"]
    assert all(entry["cure"] for entry in found if entry["kind"] != "probe")
    return found, {(entry["node"], entry["step"], entry["text"]) for entry in found}


def named(found: set[tuple[str, str, str]], *wanted: tuple[str, str, str]) -> None:
    for node, step, words in wanted:
        assert any((n, s) == (node, step) and words in text for n, s, text in found), (node, step, words, found)


def accused(found: list[dict]) -> set[tuple[str, str]]:
    """Which nodes are accused of what; that no packet was seen between two nodes accuses none."""
    return {(entry["node"], entry["step"]) for entry in found if entry["kind"] != "probe" and entry["node"]}


def test_agent_stopped_with_drift_and_containerd_elsewhere_and_kube_proxy_stopped(milestone):
    lab = milestone
    where = pods(lab)
    lab.node("node1", AGENT.format("stop"))
    gone = lab.node("node1", "bridge fdb show dev flannel.1 | grep -m1 'dst 10.79.0.12'").split()[0]
    lab.node("node1", f"bridge fdb del {gone} dev flannel.1 dst 10.79.0.12")
    lab.node("node2", f"cp {CONFIG} /root/kept.toml; sed -i 's|/etc/cni/net.d|/etc/cni/elsewhere.d|' {CONFIG}")
    lab.node("node3", "kill -STOP $(pidof kube-proxy)")
    try:
        found, texts = told(lab)
        named(
            texts,
            ("node1", "fdb", f"no forwarding entry for {gone}, node2's VTEP"),
            ("node1", "fdb", "node is as the agent wants it"),
            ("node1", "", "podnetd does not answer"),
            ("node2", "cni", "containerd looks for configurations in /etc/cni/elsewhere.d"),
            ("node3", "service", "kube-proxy does not answer"),
        )
        assert accused(found) <= {("node1", "fdb"), ("node1", ""), ("node2", "cni"), ("node3", "service")}
        traced = lab.play("trace", "-e", f"from={where['node1']}", "-e", f"to={where['node2']}", expect=2)
        assert "Broken on node1, at fdb" in traced.output
    finally:
        lab.node("node1", "podnetctl apply")
        lab.node("node1", AGENT.format("start"))
        lab.node("node2", f"mv /root/kept.toml {CONFIG}")
        lab.node("node3", "kill -CONT $(pidof kube-proxy)")
    assert lab.verify()["failures"] == []


def test_sources_hidden_and_hairpin_off_and_kubelet_stopped(milestone):
    lab = milestone
    where = pods(lab)
    hide = "iptables -t nat -{} POSTROUTING -s 10.244.0.0/16 -d 10.244.0.0/16 -j MASQUERADE"
    inspected = json.loads(lab.node("node2", "podnetctl inspect"))
    (port,) = (pod["host"] for pod in inspected["pods"] if pod["pod"] == where["node2"])
    lab.node("node1", hide.format("I"))
    lab.node("node2", f"bridge link set dev {port} hairpin off")
    lab.node("node3", "systemctl stop kubelet")
    try:
        found, texts = told(lab)
        named(
            texts,
            ("node1", "nat", "what pods send to pods is masqueraded"),
            ("node2", "port", f"{port} is not in hairpin mode"),
            ("node3", "node", "kubelet is enabled and does not run"),
        )
        assert accused(found) <= {("node1", "nat"), ("node2", "port"), ("node3", "node"), ("node3", "")}
        traced = lab.play("trace", "-e", f"from={where['node1']}", "-e", f"to={where['node2']}", expect=2)
        assert "Broken on node1, at table inet podnet" in traced.output
    finally:
        lab.node("node1", hide.format("D"))
        lab.node("node2", f"bridge link set dev {port} hairpin on")
        lab.node("node3", "systemctl start kubelet")
    assert lab.verify()["failures"] == []
