# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of three nodes with three container runtimes, from nothing to nothing; two of them change theirs.

The tests are the steps of one life and run in this order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from userlab import ROOT, Lab

pytestmark = pytest.mark.timeout(1800)


class Known(NamedTuple):
    """A runtime: ``reported`` is how the kubelet names it, ``unit`` answers the CRI, and ``file`` tells it the
    directory of the CNI configurations; ``kept`` is what a node without it does not have."""

    reported: str
    unit: str
    file: str
    kept: tuple[str, ...]


CONTAINERD, CRIO, DOCKER = (
    Known(
        "containerd://",
        "containerd",
        "/etc/containerd/config.toml",
        ("/usr/bin/containerd", "/etc/containerd/config.toml", "/run/containerd", "/var/lib/containerd/*"),
    ),
    Known(
        "cri-o://",
        "crio",
        "/etc/crio/crio.conf.d/10-podnet.conf",
        ("/usr/bin/crio", "/etc/crio", "/etc/systemd/system/crio.service", "/run/crio", "/var/lib/crio/*"),
    ),
    Known(
        "docker://",
        "cri-docker",
        "/etc/systemd/system/cri-docker.service",
        ("/usr/bin/cri-dockerd", "/usr/sbin/dockerd", "/etc/docker/daemon.json", "/run/docker", "/var/lib/docker/*"),
    ),
)
NAMES = {CONTAINERD: "containerd", CRIO: "crio", DOCKER: "docker"}
FIRST = (CONTAINERD, CRIO, DOCKER)
#: What the nodes have afterwards, one change after the other: each is left once and had once more.
CHANGES = ((CONTAINERD, DOCKER, CONTAINERD), (CONTAINERD, CONTAINERD, CRIO))


def up(lab: Lab, runtimes: Sequence[Known]) -> None:
    variables = {"lab_network": "10.81.0.0/24", "lab_nodes": 3, "lab_suites": ["trixie"]}
    lab.lab("up", "-e", json.dumps({**variables, "lab_runtimes": [NAMES[each] for each in runtimes]}))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The cluster; `make mixed` ends at the first test that fails (-x)."""
    if os.geteuid():
        pytest.skip("a lab is made as root")
    lab = Lab("mixed", ROOT / "build/mixed")
    try:
        up(lab, FIRST)
        lab.play("site")
        yield lab
    finally:
        lab.lab("down")


def healthy(lab: Lab, runtimes: Sequence[Known]) -> None:
    """Each node has its runtime, everything reaches everything, and another run of site.yml changes nothing."""
    nodes = lab.objects("nodes")
    reported = {each["metadata"]["name"]: each["status"]["nodeInfo"]["containerRuntimeVersion"] for each in nodes}
    for name, runtime in zip(lab.names, runtimes):
        assert reported[name].startswith(runtime.reported), reported
    report = lab.verify()
    assert report["ok"], report["failures"]
    run = lab.play("site")
    assert run.changed == {}, run.changed_tasks


def pods(lab: Lab) -> list[str]:
    """A pod of verify's for each node, in the nodes' order."""
    found = {each["spec"].get("nodeName"): each["metadata"] for each in lab.objects("pods", "-n", "podnet-verify")}
    return [f"{found[name]['namespace']}/{found[name]['name']}" for name in lab.names]


def test_three_runtimes_make_one_cluster(lab):
    healthy(lab, FIRST)


def test_a_packet_is_followed_from_each_to_the_next(lab):
    one, two, three = pods(lab)
    for source, target in ((one, two), (two, three), (three, one)):
        assert "Path OK." in lab.play("trace", "-e", f"from={source}", "-e", f"to={target}").output
    lab.play("trace", "-e", f"from={two}", "-e", "to=podnet-verify/any")


def test_pods_are_added_by_the_service(lab):
    """It wakes up for each pod's ADD."""

    def wakes(name: str) -> int:
        pid = lab.node(name, "systemctl show --property MainPID --value podnet-cni").strip()
        return int(lab.node(name, f"grep ^voluntary /proc/{pid}/status").split()[-1])

    before = {name: wakes(name) for name in lab.names}
    for name in lab.names:
        spec = json.dumps({"spec": {"nodeName": name, "terminationGracePeriodSeconds": 0}})
        image = ("--image=podnet.local/toolbox:1", f"--overrides={spec}")
        lab.kubectl("run", f"added-{name}", *image, "--", "sleep", "1000")
    for name in lab.names:
        lab.kubectl("wait", "--for=condition=Ready", "--timeout=120s", f"pod/added-{name}")
        assert wakes(name) > before[name]
    lab.kubectl("delete", "pod", *(f"added-{name}" for name in lab.names))


@pytest.mark.parametrize("number", range(3), ids=[NAMES[each] for each in FIRST])
def test_a_runtime_that_looks_into_another_directory_is_named(lab, number):
    """And site.yml makes it look into ours again."""
    name, runtime = lab.names[number], FIRST[number]
    elsewhere = "mkdir -p /etc/cni/elsewhere.d; cp /etc/cni/net.d/* /etc/cni/elsewhere.d/"
    other = f"sed -i 's|/etc/cni/net.d|/etc/cni/elsewhere.d|' {runtime.file}"
    lab.node(name, f"{elsewhere}; {other}; systemctl daemon-reload; systemctl restart {runtime.unit}")
    try:
        state = "podnetctl inspect --json"
        lab.until("the runtime answers", lambda: json.loads(lab.node(name, state, check=False))["cni"]["runtime"], 60)
        checks = json.loads(lab.node(name, state, check=False))["checks"]
        found = [check["finding"] for check in checks if not check["ok"]]
        assert [(each["code"], each["node"], each["subject"]) for each in found] == [
            ("runtime.other-conf-dir", name, runtime.unit)
        ], found
    finally:
        run = lab.play("site")
        lab.node(name, "rm -r /etc/cni/elsewhere.d")
    assert set(run.changed) == {name}, run.changed_tasks


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_a_node_that_changes_its_runtime_keeps_nothing_of_it(lab, number):
    before, after = (FIRST, *CHANGES)[number], CHANGES[number]
    up(lab, after)
    lab.play("site")
    healthy(lab, after)
    for name, old, new in zip(lab.names, before, after):
        if old is not new:
            assert not lab.node(name, f"ls -d {' '.join(old.kept)} 2>/dev/null", check=False), name
            assert lab.node(name, f"systemctl is-active {old.unit}", check=False).strip() == "inactive"


def test_reset_leaves_bare_nodes(lab):
    """That nothing is left is what reset.yml proves itself."""
    lab.play("reset")
    for name in lab.names:
        for runtime in FIRST:
            assert not lab.node(name, f"ls -d {' '.join(runtime.kept)} 2>/dev/null", check=False), name
