# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three control planes and two workers: each control plane dies and comes back, is replaced or removed; three become
one, and one becomes three. Pods go on meanwhile, and so does the API.

The tests are the steps of one life and run in this order.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from userlab import ROOT, Lab

pytestmark = pytest.mark.timeout(3600)

TRAFFIC = (Path(__file__).parent / "traffic.py").read_text()
NODES = {
    "lab_network": "10.89.0.0/24", "lab_nodes": 5, "lab_control_planes": 3, "lab_suites": ["bookworm", "trixie"]
}  # fmt: skip
HEADS, WORKERS = ("node1", "node2", "node3"), ("node4", "node5")
ENDPOINT = "api.podnet.internal:6444"
#: A process in the network namespace of the node's pod.
PID = "crictl inspect --output go-template --template '{{.info.pid}}' $(crictl ps -q --name '^web$')"
STOP = "/run/traffic.stop"
#: Seconds that a client of a node's endpoint may be without an answer.
GAP = 5
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
      containers:
      - name: web
        image: podnet.local/toolbox:1
        command: [sh, -c, "mkdir /tmp/w; echo x > /tmp/w/index.html; httpd -f -p 8080 -h /tmp/w"]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Five nodes, from nothing to nothing; `make controlplanes` ends at the first test that fails (-x)."""
    if os.geteuid():
        pytest.skip("a lab is made as root")
    lab = Lab("heads", ROOT / "build/control_planes", nodes=5)
    try:
        lab.lab("up", "-e", json.dumps(NODES))
        site = lab.play("site")
        assert "PRIVATE KEY" not in site.output and "certificateKey" not in site.output
        lab.node("node1", f"kubectl apply -f - <<'END'\n{OBJECTS}\nEND")
        lab.kubectl("rollout", "status", "daemonset/web", "--timeout=180s")
        yield lab
    finally:
        lab.lab("down")


def alive(lab: Lab) -> str:
    """A node whose kubectl is an administrator's."""
    for name in HEADS:
        if lab.node(name, "test -e /etc/kubernetes/admin.conf && echo yes", check=False):
            return name
    pytest.fail("no control plane runs")


def get(lab: Lab, what: str) -> list[dict]:
    return json.loads(lab.node(alive(lab), f"kubectl get {what} --output=json"))["items"]


def members(lab: Lab, node: str) -> set[str]:
    """etcd's members as that node's has them; those that wait to start or to be promoted count as none."""
    tool = "etcdctl --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/peer.crt"
    tool += " --key=/etc/kubernetes/pki/etcd/peer.key"
    found = lab.node(
        node, f"crictl exec $(crictl ps -q --name '^etcd$') {tool} member list --write-out=json", check=False
    )
    listed = json.loads(found)["members"] if found else []
    return {each["name"] for each in listed if each.get("name") and not each.get("isLearner")}


def ready(lab: Lab, *names: str) -> bool:
    """Whether these nodes are Ready, and no others."""
    found = {
        node["metadata"]["name"]
        for node in get(lab, "nodes")
        if any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])
    }
    return found == set(names)


def answers(lab: Lab, node: str) -> bool:
    """Whether the node's own API server is ready, its etcd included."""
    own = "kubectl --server=https://$(hostname):6443 get --raw=/readyz --request-timeout=3s 2>/dev/null"
    return lab.node(node, own, check=False) == "ok"


class Traffic:
    """What goes on between pods, from a pod to a Service, and from nodes to the API; figures when it has ended."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.found = lab, {}
        pods = {pod["spec"]["nodeName"]: pod["status"]["podIP"] for pod in get(lab, "pods --selector=app=web")}
        (service,) = [each["spec"]["clusterIP"] for each in get(lab, "services") if each["metadata"]["name"] == "web"]
        here, there = WORKERS
        self.kinds = {
            ("pod to pod", here): ("ping", f"{pods[there]}:0", True),
            ("pod to pod", there): ("ping", f"{pods[here]}:0", True),
            ("pod to Service", here): ("service", f"{service}:80", True),
            ("node to API", here): ("api", ENDPOINT, False),
            ("node to API", there): ("api", ENDPOINT, False),
        }

    def __enter__(self) -> Traffic:
        self.running = {}
        for node in WORKERS:
            self.lab.node(node, f"rm -f {STOP}")
        for (what, node), (kind, place, in_pod) in self.kinds.items():
            pid = self.lab.node(node, PID)
            enter = ["nsenter", "--net", "--target", pid.strip()] if in_pod else []
            words = [*enter, "python3", "-c", TRAFFIC, STOP, kind, place]
            command = [ROOT / "inventories/lab/nodes.py", "--exec", node, "--", *words]
            self.running[what, node] = subprocess.Popen(
                command, env=self.lab.environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
            )
        return self

    def __exit__(self, *_error: object) -> None:
        for node in WORKERS:
            self.lab.node(node, f"touch {STOP}")
        for each, process in self.running.items():
            self.found[each] = json.loads(process.communicate(timeout=60)[0])
            print(*each, self.found[each])

    def went_on(self) -> None:
        """Nothing was lost between pods (a ping that was on its way at the end is none), and the API was soon back."""
        for (what, node), found in self.found.items():
            assert found["sent"] > 100, (what, node, found)
            if what == "node to API":
                assert found["longest"] < GAP, (what, node, found)
            else:
                assert found["failed"] <= (what == "pod to pod"), (what, node, found)


@contextlib.contextmanager
def traffic(lab: Lab) -> Iterator[None]:
    with Traffic(lab) as going:
        yield
    going.went_on()


def power(lab: Lab, node: str, state: str) -> None:
    lab.lab("node", "-e", f"node={node}", "-e", f"state={state}")


def erase(lab: Lab, node: str, address: str = "") -> None:
    """A new machine of the same name, with nothing on its disk."""
    power(lab, node, "killed")
    record = Path(f"/run/podnet-lab/{lab.name}.json")
    machines = json.loads(record.read_text())
    shutil.rmtree(Path(machines["directory"]) / lab.name / node)
    if address:
        for each in machines["nodes"]:
            each["address"] = address if each["name"] == node else each["address"]
        record.write_text(json.dumps(machines))
    power(lab, node, "started")


def whole(lab: Lab, *heads: str) -> None:
    """All nodes are Ready, and these control planes answer and are etcd's members."""
    lab.until("all nodes are Ready", lambda: ready(lab, *lab.names), 180)
    for node in heads:
        lab.until(f"{node}'s API server is ready", partial(answers, lab, node), 180)
        lab.until(f"etcd has {heads}", lambda of=node: members(lab, of) == set(heads), 60)


def test_three_control_planes_from_bare(lab):
    whole(lab, *HEADS)
    for node in lab.names:
        lab.node(node, "grep -q '^127.0.0.1 api.podnet.internal$' /etc/hosts && systemctl is-active podnet-balancer")
    for node in WORKERS:
        assert f"server: https://{ENDPOINT}\n" in lab.node(node, "cat /etc/kubernetes/kubelet.conf")
        assert f"https://{ENDPOINT}" in lab.node(node, "cat /etc/podnet/kube.json")
    proxy = lab.kubectl("get", "configmap/kube-proxy", "--namespace=kube-system", "--output=yaml")
    assert f"server: https://{ENDPOINT}" in proxy
    assert lab.kubectl("get", "secret/kubeadm-certs", "--namespace=kube-system", "--ignore-not-found") == ""


def test_a_second_run_changes_nothing_and_check_mode_fails_nowhere(lab):
    run = lab.play("site")
    assert run.changed == {}, run.changed_tasks
    for book in ("site", "backup", "renew_certificates"):
        lab.play(book, "--check", "-e", f"backup_directory={lab.output}/backups")
    assert lab.verify()["ok"]


@pytest.mark.parametrize("node", HEADS)
def test_each_control_plane_may_lose_its_power(lab, node):
    with traffic(lab):
        power(lab, node, "killed")
        others = [each for each in HEADS if each != node]
        lab.until(f"{node} is missed", lambda: ready(lab, *others, *WORKERS), 240)
        power(lab, node, "started")
        whole(lab, *HEADS)


def test_playbooks_run_without_the_first_control_plane(lab, tmp_path):
    """Unreachable is all that is told of it: Ansible's exit status 4."""
    power(lab, "node1", "killed")
    run = lab.play("site", expect=4)
    assert run.changed == {} and {host for host, each in run.recap.items() if each.unreachable} == {"node1"}
    lab.play("backup", "-e", f"backup_directory={tmp_path}", expect=4)
    assert len(list(tmp_path.glob("podnet-*.tar.gz"))) == 1
    power(lab, "node1", "started")
    whole(lab, *HEADS)


def test_a_control_plane_whose_disk_is_lost_is_replaced_by_one_command(lab):
    with traffic(lab):
        erase(lab, "node1")
        lab.play("site")
        whole(lab, *HEADS)
    assert lab.play("site").changed == {}


def test_three_become_one_though_one_is_dead_and_one_becomes_three(lab):
    with traffic(lab):
        power(lab, "node1", "killed")
        lab.until("node1 is missed", lambda: ready(lab, *HEADS[1:], *WORKERS), 240)
        lab.play("remove_node", "-e", "node=node1", expect=4)
        assert members(lab, HEADS[1]) == set(HEADS[1:])
        erase(lab, "node1")
        lab.play("remove_node", "-e", "node=node2")
        assert lab.node("node2", "find /etc/kubernetes /var/lib/etcd -mindepth 1", check=False) == ""
        assert members(lab, "node3") == {"node3"}
        lab.until("the others are Ready", lambda: ready(lab, "node3", *WORKERS), 60)
    with traffic(lab):
        lab.play("site")
        whole(lab, *HEADS)


def test_a_dead_node_s_name_is_used_again_with_another_address(lab):
    power(lab, "node5", "killed")
    lab.play("remove_node", "-e", "node=node5", expect=4)
    lab.until("node5 is gone", lambda: ready(lab, *HEADS, "node4"), 60)
    erase(lab, "node5", "10.89.0.99")
    lab.play("site")
    whole(lab, *HEADS)
    (found,) = [each for each in get(lab, "nodes") if each["metadata"]["name"] == "node5"]
    assert {"type": "InternalIP", "address": "10.89.0.99"} in found["status"]["addresses"]
    assert lab.verify()["ok"]
