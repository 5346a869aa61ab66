# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""flanneld itself, from its Go module: three nodes of it become podnetd's one by one and go back, and no packet between
their pods is lost.

`make flanneld`: building it takes too long for `make test`, where test_beside_flannel.py plays its part.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from standin import apiserver

from . import test_beside_flannel
from .test_beside_flannel import Stream, all_reach_all

cluster = test_beside_flannel.cluster  # the fixture
ROOT = Path(__file__).resolve().parents[3]
NETWORK = {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def program() -> Path:
    sys.path[:0] = [str(ROOT / "tests/standard_plugins")]
    parts = importlib.import_module("standard_plugins")
    return parts.build(ROOT / "tests/migration/flanneld", "github.com/flannel-io/flannel", cgo=True) / "flannel"


class Flanneld:
    """flanneld on a node, as its DaemonSet starts it."""

    def __init__(self, program: Path, node, admin) -> None:
        settings, kubeconfig = node.directory / "net-conf.json", node.directory / "flannel.json"
        settings.write_text(json.dumps(NETWORK))
        kubeconfig.write_text(json.dumps(apiserver.kubeconfig(admin.directory, "admin", admin.server)))
        words = [
            *("nsenter", f"--net={node.netns.path}", "--", program, "--ip-masq", "--kube-subnet-mgr", "-v=2"),
            *(f"--kubeconfig-file={kubeconfig}", f"--net-config-path={settings}", "--iface=eth0"),
            f"--subnet-file={node.directory / 'flannel.env'}",
        ]
        self.log = node.directory / "flanneld.log"
        environment = {**os.environ, "NODE_NAME": node.name, "EVENT_QUEUE_DEPTH": "5000"}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture
def flanneld(program):
    """A function that starts flanneld on a node."""
    made: list[Flanneld] = []

    def start(node, admin) -> Flanneld:
        made.append(Flanneld(program, node, admin))
        return made[-1]

    yield start
    for each in made:
        print(each.log, each.log.read_text()[-3000:], sep="\n")
        each.process.kill()
        each.process.wait()


def mac(node) -> str:
    return node.netns.ip("link show flannel.1")[0]["address"]


def test_three_nodes_of_flanneld_become_ours_and_go_back(cluster, flanneld, eventually):
    nodes, admin, _played = cluster(3)
    for node in nodes:
        node.netns.run("sysctl -qw net.ipv4.ip_forward=1")  # the host's business, as with flanneld's DaemonSet
        # flanneld reads the older key, and Nodes as kubelets make them: they set this annotation
        annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
        spec = {"podCIDR": node.lease()["pod_cidrs"][0]}
        admin.patch(node.name, {"metadata": {"annotations": annotations}, "spec": spec})
    theirs = [flanneld(node, admin) for node in nodes]
    all_reach_all(nodes, eventually)
    first = [mac(node) for node in nodes]
    pairs = list(itertools.permutations(nodes, 2))

    def to_us(node, former: Flanneld) -> None:
        former.stop()
        node.write([], networks=["10.244.0.0/16"], vtep_mac=mac(node))
        agent = node.start()
        eventually("in sync", lambda: agent.status()["in_sync"] and node.plan() == [])

    def back(node, _former: Flanneld) -> None:
        node.agents[-1].stop()
        flanneld(node, admin)
        eventually("its subnet.env", (node.directory / "flannel.env").exists)

    for step in (to_us, back):
        for node, former in zip(nodes, theirs):
            (node.directory / "flannel.env").unlink(missing_ok=True)
            streams = [Stream(source.pod, f"10.244.{target.number}.2") for source, target in pairs]
            step(node, former)
            lost = [stream.lost() for stream in streams]
            print(step.__name__, node.name, lost)
            assert max(lost) == 0, (step.__name__, node.name, lost)
            assert [mac(each) for each in nodes] == first
        all_reach_all(nodes, eventually)
