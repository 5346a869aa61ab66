# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kubeadm cluster with flannel, which this collection did not make: it is left alone, taken over node by node while
its pods run, and given back.

The tests are the steps of one life and run in this order.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from userlab import ROOT, Lab

sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests/standard_plugins"), str(ROOT / "roles/kubernetes/files")]
import flannel_parts  # noqa: E402

pytestmark = pytest.mark.timeout(3600)

TRAFFIC = (ROOT / "tests/control_planes/traffic.py").read_text()
PARTS = ROOT / "build/migration/flannel"
LAB = {
    "lab_network": "10.83.0.0/24", "lab_nodes": 3, "lab_suites": ["bookworm"],
    "lab_binds": [f"ro:{PARTS}:/srv/flannel"],
}  # fmt: skip
THEIRS = ("-e", "cni_bin_dir=/opt/cni/bin", "-e", "control_plane_endpoint=10.83.0.11:6443")
#: By what verify knows the node's conflist and plugins.
OURS = ("-e", "cni_bin_dir=/opt/cni/bin", "-e", "cni_file=05-podnet.conflist", "-e", "cni_network=cbr0")
PID = "crictl inspect --output go-template --template '{{.info.pid}}' $(crictl ps -q --name '^web$')"
STOP = "/run/traffic.stop"
#: What this collection would have on a node.
LEFT = (
    "ls -d /opt/podnet /etc/podnet /etc/cni/net.d/05-* /opt/cni/bin/*.before-podnet"
    " /etc/systemd/system/podnetd* /etc/systemd/system/podnet-[cdp]* 2>&-"
)
OBJECTS = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations: [{operator: Exists}]
      containers:
      - name: web
        image: podnet.local/toolbox:1
        command: [sh, -c, "mkdir /tmp/w; echo x > /tmp/w/index.html; httpd -f -p 8080 -h /tmp/w"]
        ports: [{containerPort: 8080, hostPort: 8088}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Three nodes with flannel, from nothing to nothing."""
    if os.geteuid():
        pytest.skip("a lab is made as root")
    flannel_parts.fill(PARTS)
    lab = Lab("flannel", ROOT / "build/migration", nodes=3)
    try:
        lab.lab("up", "-e", json.dumps(LAB))
        lab.play("../tests/migration/cluster", *THEIRS)
        lab.node("node1", "kubectl apply -f /srv/flannel/kube-flannel.yml")
        lab.kubectl("wait", "nodes", "--all", "--for=condition=Ready", "--timeout=180s")
        lab.node("node1", f"kubectl apply -f - <<'END'\n{OBJECTS}\nEND")
        lab.kubectl("rollout", "status", "daemonset/web", "--timeout=180s")
        yield lab
    finally:
        lab.lab("down")


def pods(lab: Lab) -> dict[str, str]:
    """The pods' addresses by node."""
    found = lab.objects("pods", "--selector=app=web")
    return {pod["spec"]["nodeName"]: pod["status"]["podIP"] for pod in found}


def flanneld(lab: Lab) -> set[str]:
    """The nodes with a pod of flannel."""
    return {each["spec"]["nodeName"] for each in lab.objects("pods", "--namespace=kube-flannel")}


class Traffic:
    """A ping each 10 ms between the pods of all nodes, both ways, and connections of each to the Service and of one to
    another node's host port."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.found, self.running = lab, {}, {}
        addresses = pods(lab)
        service = lab.kubectl("get", "service/web", "--output=jsonpath={.spec.clusterIP}")
        self.kinds = {("ping", a, b): ("ping", f"{addresses[b]}:0") for a, b in itertools.permutations(lab.names, 2)}
        self.kinds |= {("service", node, ""): ("service", f"{service}:80") for node in lab.names}
        self.kinds["host port", "node2", ""] = ("service", "10.83.0.12:8088")

    def __enter__(self) -> Traffic:
        for node in self.lab.names:
            self.lab.node(node, f"rm -f {STOP}")
        pids = {node: self.lab.node(node, PID).strip() for node in self.lab.names}
        for (what, node, other), (kind, place) in self.kinds.items():
            source = "node3" if what == "host port" else node
            words = ["nsenter", "--net", "--target", pids[source], "python3", "-c", TRAFFIC, STOP, kind, place]
            self.running[what, node, other] = subprocess.Popen(
                [ROOT / "inventories/lab/nodes.py", "--exec", source, "--", *words],
                env=self.lab.environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            )  # fmt: skip
        return self

    def __exit__(self, *_error: object) -> None:
        for node in self.lab.names:
            self.lab.node(node, f"touch {STOP}")
        for each, process in self.running.items():
            self.found[each] = json.loads(process.communicate(timeout=60)[0])
            print(*each, self.found[each])

    def lost(self, what: str) -> int:
        """How many failed; one ping on its way at the end of each stream is none."""
        found = [each for (kind, *_ends), each in self.found.items() if kind == what]
        assert all(each["sent"] > 100 for each in found), found
        print(what, sum(each["sent"] for each in found), "sent")
        return sum(max(0, each["failed"] - (what == "ping")) for each in found)


def test_site_leaves_the_cluster_alone_and_says_what_would_change(lab):
    run = lab.play("site", expect=2)
    assert len(re.findall(r"node\d is in a cluster that this collection did not make, with flannel", run.output)) >= 3
    assert "podnet.cluster.migrate_from_flannel --check --diff" in run.output
    assert run.changed == {}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"overlay_network": "10.245.0.0/16"}, "set overlay_network to 10.244.0.0/16"),
        ({"overlay_backend": {"type": "vxlan", "vni": 7}}, "set overlay_backend.vni to 1"),
        ({"overlay_backend": {"type": "host-gw"}}, "set overlay_backend.type to vxlan"),
        ({"control_plane_service_network": "10.97.0.0/16"}, "set control_plane_service_network to 10.96.0.0/12"),
    ],
)
def test_what_does_not_fit_is_told_with_the_right_value(lab, given, told):
    run = lab.play("migrate_from_flannel", "-e", json.dumps(given), expect=2)
    assert told in run.output and run.changed == {}


def test_check_mode_tells_and_changes_nothing(lab):
    run = lab.play("migrate_from_flannel", "--check", "--diff")
    assert "End flanneld on the node" in run.changed_tasks
    assert flanneld(lab) == set(lab.names)
    for node in lab.names:
        assert lab.node(node, LEFT, check=False) == ""


def test_the_nodes_are_taken_over_while_pods_run(lab):
    before = pods(lab)
    with Traffic(lab) as traffic:
        lab.play("migrate_from_flannel")
    assert flanneld(lab) == set() and pods(lab) == before
    assert traffic.lost("service") == traffic.lost("host port") == 0
    assert traffic.lost("ping") == 0
    assert lab.play("migrate_from_flannel").changed == {}
    assert lab.verify(*OURS)["ok"]
    lab.play("site", expect=2)


def test_pods_start_and_end_on_what_was_taken_over(lab):
    before = set(pods(lab).values())
    lab.kubectl("rollout", "restart", "daemonset/web")
    lab.kubectl("rollout", "status", "daemonset/web", "--timeout=180s")
    assert not before & set(pods(lab).values())
    for node, address in pods(lab).items():
        lab.node(node, f"test -e /var/lib/cni/networks/cbr0/{address}")


def test_the_nodes_are_given_back_while_pods_run(lab):
    before = pods(lab)
    with Traffic(lab) as traffic:
        lab.play("migrate_to_flannel")
    assert flanneld(lab) == set(lab.names) and pods(lab) == before
    assert traffic.lost("service") == traffic.lost("host port") == traffic.lost("ping") == 0
    for node in lab.names:
        assert lab.node(node, LEFT, check=False) == ""
    lab.kubectl("rollout", "restart", "daemonset/web")
    lab.kubectl("rollout", "status", "daemonset/web", "--timeout=180s")
    for a, b in itertools.permutations(lab.names, 2):
        lab.node(a, f"nsenter --net --target $({PID}) ping -c 1 -W 5 {pods(lab)[b]}")
