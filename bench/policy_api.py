# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node that enforces policies costs the API server: its list of pods, and each pod's event.

A real API server with etcd on the loopback holds pods as a Deployment's: written by a controller's manager, their
status by a kubelet's. The list is podnetd's own (kube/client.py, with its selector of fields). An event's cost is the
difference between many watches and one, by the API server's processor time. Needs the lab's archive of Kubernetes,
which `make lab` leaves in the cache.

    python bench/policy_api.py [--pods 3000] [--watches 40] [--events 200] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "build/collections"), str(ROOT / "tests")]

from agent import processor  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils.agent.policies.cluster import SELECTOR  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils.kube.client import Client, load_credentials  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils.kube.reflector import Reflector  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils.policy import read  # noqa: E402
from standin import cluster as real  # noqa: E402

PODS = "/api/v1/pods"
OWN = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"
PROBE = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10}
CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
NOW = "2026-11-30T12:00:00Z"


def pod(number: int) -> dict:
    """A pod as its ReplicaSet makes it, on one of its nodes."""
    container = {
        "name": "server",
        "image": "registry.example/team/server:1.2.3",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": f"SETTING_{each}", "value": "value"} for each in range(8)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "livenessProbe": PROBE,
        "readinessProbe": PROBE,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"server-7d9c5b8f6d-{number:05d}",
            "labels": {"app": f"app{number % 50}", "pod-template-hash": "7d9c5b8f6d"},
        },
        "spec": {"nodeName": f"node{number // 30}", "containers": [container]},
    }


def status(number: int) -> dict:
    """What its kubelet reports."""
    high, low = divmod(number, 250)
    address = f"10.{244 + high // 250}.{high % 250}.{low + 1}"
    conditions = [{"type": each, "status": "True", "lastTransitionTime": NOW} for each in CONDITIONS]
    container = {
        "name": "server",
        "image": "registry.example/team/server:1.2.3",
        "imageID": "registry.example/team/server@sha256:" + "5" * 64,
        "containerID": f"containerd://{number:064x}",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": NOW}},
    }
    return {
        "phase": "Running",
        "conditions": conditions,
        "hostIP": "10.77.0.11",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": NOW,
        "containerStatuses": [container],
    }


def fill(cluster: real.Cluster, pods: int) -> int:
    """Makes the pods; returns the bytes of one."""
    cluster.admin.do("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    for number in range(pods):
        made = cluster.admin.do("POST", f"{OWN}?fieldManager=kube-controller-manager", pod(number))
        path = f"{OWN}/{made['metadata']['name']}/status?fieldManager=kubelet"
        made = cluster.admin.do("PATCH", path, {"status": status(number)}, MERGE)
    return len(json.dumps(made, separators=(",", ":")))


class Records:
    """A reflector's sink that keeps what podnetd keeps of a pod."""

    def __init__(self) -> None:
        self.pods: dict[str, object] = {}
        self.events = 0
        self.live = threading.Event()

    def replace(self, things) -> None:
        for thing in things:
            self.put(thing)

    def put(self, thing: dict) -> None:
        found = read.pod(thing)
        self.pods[thing["metadata"]["name"]] = found
        self.events += 1

    def drop(self, name: str) -> None:
        self.pods.pop(name, None)

    def connected(self) -> None:
        self.live.set()


class Watch:
    """A node's list and watch of pods, in a thread."""

    def __init__(self, kubeconfig: Path) -> None:
        self.records = Records()
        self.client = Client(load_credentials(str(kubeconfig)))
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        if not self.records.live.wait(120):
            raise SystemExit("policy_api.py: the API server agreed to no watch")

    def _run(self) -> None:
        try:
            Reflector(self.records, PODS, SELECTOR).follow(self.client)
        except OSError:
            pass  # it was closed

    def close(self) -> None:
        self.client.interrupt()
        self.thread.join(10)
        self.client.close()


def events(cluster: real.Cluster, server: int, watches: list[Watch], count: int) -> float:
    """Seconds of the API server's processor time for so many events of pods, until each watch has had them."""
    before = [watch.records.events for watch in watches]
    began = processor(server)
    for number in range(count):
        name = pod(number)["metadata"]["name"]
        cluster.admin.do("PATCH", f"{OWN}/{name}", {"metadata": {"annotations": {"round": str(began)}}}, MERGE)
    deadline = time.monotonic() + 120
    while any(watch.records.events - first < count for watch, first in zip(watches, before)):
        if time.monotonic() > deadline:
            raise SystemExit("policy_api.py: events are missing")
        time.sleep(0.05)
    return processor(server) - began


def measure(pods: int, watches: int, count: int) -> list[dict]:
    """Rows as bench/run.py wants them."""
    archive = real.archive()
    if archive is None:
        raise SystemExit("policy_api.py: needs the lab's archive of Kubernetes: `make lab` builds it")
    with tempfile.TemporaryDirectory(prefix="podnet-bench-") as temporary:
        directory = Path(temporary)
        real.unpack(archive, directory)
        with real.running(directory) as cluster:
            (server,) = (each.pid for each in cluster.processes if "kube-apiserver" in str(each.args[0]))
            size = fill(cluster, pods)
            began, own = processor(server), time.process_time()
            first = Watch(cluster.kubeconfig)
            listed, reading = processor(server) - began, time.process_time() - own
            assert len(first.records.pods) == pods
            received = first.client._connection.received
            running = [first]
            one = events(cluster, server, running, count)
            running += [Watch(cluster.kubeconfig) for _each in range(watches - 1)]
            many = events(cluster, server, running, count)
            for watch in running:
                watch.close()
            events_received = (first.client.received - received) / (2 * count)
    figures = [
        ("a pod as JSON", size, "bytes"),
        ("a list, for each pod", received / pods, "bytes on the wire"),
        ("a list, for each pod, by the API server", 1e6 * listed / pods, "us CPU"),
        ("a list, for each pod, by podnetd", 1e6 * reading / pods, "us CPU"),
        ("an event, for each watch", events_received, "bytes on the wire"),
        ("an event, for each watch, by the API server", 1e6 * (many - one) / count / (watches - 1), "us CPU"),
    ]
    return [{"name": name, "value": round(value, 1), "unit": unit} for name, value, unit in figures]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=3000)
    parser.add_argument("--watches", type=int, default=40)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options.pods, options.watches, options.events)
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(f"{row['name']:<44} {row['value']:>10,} {row['unit']}")


if __name__ == "__main__":
    main()
