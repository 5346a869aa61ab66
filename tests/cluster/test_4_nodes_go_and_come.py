# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node leaves the living cluster, and joins it again: the others forget it, and learn of it anew."""

from __future__ import annotations

import json

NODE = "node3"


def peers(lab, name: str) -> set[str]:
    """The peers' underlay addresses to which a node's forwarding entries lead, as iproute2 tells them."""
    return {entry["dst"] for entry in json.loads(lab.node(name, "bridge -j fdb show dev flannel.1"))}


GUARDED = f"""
apiVersion: v1
kind: Pod
metadata: {{name: guarded, labels: {{app: guarded}}}}
spec:
  nodeName: {NODE}
  terminationGracePeriodSeconds: 0
  containers: [{{name: guarded, image: podnet.local/toolbox:1, command: [sleep, "9999"]}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: keep}}
spec: {{minAvailable: 1, selector: {{matchLabels: {{app: guarded}}}}}}
"""


def test_a_node_that_a_budget_keeps_stays(milestone):
    """Its drain is refused: the pod and its budget are named, and the node takes pods as before."""
    milestone.node("node1", f"kubectl apply -f - <<'END'\n{GUARDED}\nEND")
    milestone.kubectl("wait", "pod", "guarded", "--for=condition=Ready", "--timeout=60s")
    refused = milestone.play("remove_node", "-e", f"node={NODE}", "-e", "kubernetes_drain_timeout=8", expect=2)
    assert "drain.blocked" in refused.output
    assert "PodDisruptionBudget default/keep" in refused.output and "default/guarded" in refused.output
    (node,) = [each for each in milestone.objects("nodes") if each["metadata"]["name"] == NODE]
    assert "unschedulable" not in node["spec"]
    assert milestone.kubectl("get", "pod", "guarded", "-o=jsonpath={.status.phase}") == "Running"
    milestone.kubectl("delete", "poddisruptionbudget/keep", "pod/guarded", "--now")


def test_a_node_is_removed(milestone):
    milestone.play("remove_node", "-e", f"node={NODE}")
    assert {node["metadata"]["name"] for node in milestone.objects("nodes")} == {"node1", "node2"}
    assert (peers(milestone, "node1"), peers(milestone, "node2")) == ({"10.79.0.12"}, {"10.79.0.11"})
    assert "flannel" not in milestone.node(NODE, "ip link")
    report = milestone.verify("--limit", f"cluster:!{NODE}")
    assert {probe["node"] for probe in report["probes"]} == {"node1", "node2"}


def test_a_node_is_added(milestone):
    milestone.play("add_node", "-e", f"new_nodes={NODE}")
    assert {node["metadata"]["name"] for node in milestone.objects("nodes")} == set(milestone.names)
    assert peers(milestone, "node1") == {"10.79.0.12", "10.79.0.13"}
    milestone.until("all nodes Ready", lambda: "NotReady" not in milestone.kubectl("get", "nodes", "--no-headers"), 60)
    report = milestone.verify("-e", "verify_keep=false")
    assert {probe["node"] for probe in report["probes"]} == set(milestone.names)
    assert "podnet-verify" not in milestone.kubectl("get", "namespaces"), "verify takes its workload away"


def test_nodes_whose_machine_the_lab_has_no_more_are_forgotten(milestone):
    """`make lab NODES=3` after `make lab NODES=5`: the others would stay in the API and never be Ready again."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node9"}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "left", "namespace": "default"},
        "spec": {"nodeName": "node9", "containers": [{"name": "left", "image": "podnet.local/toolbox:1"}]},
    }
    for item in (node, pod):
        milestone.node("node1", f"echo '{json.dumps(item)}' | kubectl create --filename -")
    milestone.lab("up", "-e", "lab_network=10.79.0.0/24", "-e", "lab_nodes=3")
    assert {node["metadata"]["name"] for node in milestone.objects("nodes")} == set(milestone.names)
    assert "left" not in {pod["metadata"]["name"] for pod in milestone.objects("pods")}
