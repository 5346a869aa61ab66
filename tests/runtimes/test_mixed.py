# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of three nodes with three container runtimes, from nothing to nothing; two of them change theirs.

The tests are the steps of one life and run in this order.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from userlab import ROOT, Lab

pytestmark = pytest.mark.timeout(1800)


#: What Docker Engine brings of containerd, too.
OF_CONTAINERD = ("/usr/bin/containerd", "/run/containerd", "/var/lib/containerd/*")


class Known(NamedTuple):
    """A runtime: ``reported`` is how the kubelet names it, ``unit`` answers the CRI at ``socket``, and ``file`` tells
    it the directory of the CNI configurations. A node without it does not have the paths ``kept``, mounts below
    ``mounts``, the ``processes``, network namespaces of pods that are named like ``namespaces``."""

    reported: str
    unit: str
    socket: str
    file: str
    kept: tuple[str, ...]
    mounts: str
    processes: str
    namespaces: str


CONTAINERD, CRIO, DOCKER = (
    Known(
        "containerd://",
        "containerd",
        "/run/containerd/containerd.sock",
        "/etc/containerd/config.toml",
        ("/etc/containerd/config.toml", "/run/containerd/io.containerd.grpc.v1.cri/sandboxes/*", *OF_CONTAINERD),
        "/run/containerd/io.containerd.(grpc.v1.cri|runtime.v2.task/k8s.io)/",
        "containerd",
        "cni-[0-9a-f-]{36}",
    ),
    Known(
        "cri-o://",
        "crio",
        "/run/crio/crio.sock",
        "/etc/crio/crio.conf.d/10-podnet.conf",
        (
            *("/usr/bin/crio", "/etc/crio", "/etc/systemd/system/crio.service*", "/run/crio", "/var/lib/crio/*"),
            *("/run/ipcns", "/run/utsns", "/run/userns", "/usr/share/containers/oci/hooks.d"),
        ),
        "/((var/lib|run)/crio|run/(ipc|uts|user)ns)/",
        "crio|conmon",
        "[0-9a-f-]{36}",
    ),
    Known(
        "docker://",
        "cri-docker",
        "/run/cri-dockerd.sock",
        "/etc/systemd/system/cri-docker.service",
        ("/usr/bin/cri-dockerd", "/usr/sbin/dockerd", "/etc/docker/daemon.json", "/run/docker", "/var/lib/docker/*"),
        "/(var/lib|run)/docker/",
        "dockerd|cri-dockerd",
        "",
    ),
)
NAMES = {CONTAINERD: "containerd", CRIO: "crio", DOCKER: "docker"}
FIRST = (CONTAINERD, CRIO, DOCKER)
KUBENET = ("-e", "cni_variant=kubenet")
#: What the nodes have afterwards, the control plane's node among them: round and back is each pair in both directions.
CHANGES = ((CRIO, DOCKER, CONTAINERD), FIRST)


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
    # an API server that was away is asked again within 30 s
    lab.until("podnetd follows the API on each node", lambda: all(follows(lab, name) for name in lab.names), 60)
    report = lab.verify()
    assert report["ok"], report["failures"]
    run = lab.play("site")
    assert run.changed == {}, run.changed_tasks


def follows(lab: Lab, name: str) -> bool:
    checks = json.loads(lab.node(name, "podnetctl inspect --json", check=False))["checks"]
    return "agent.source-lost" not in {check["finding"]["code"] for check in checks if check["finding"]}


def pods(lab: Lab) -> list[str]:
    """A pod of verify's for each node, in the nodes' order."""
    found = {each["spec"].get("nodeName"): each["metadata"] for each in lab.objects("pods", "-n", "podnet-verify")}
    return [f"{found[name]['namespace']}/{found[name]['name']}" for name in lab.names]


def run_pod(lab: Lab, pod: str, node: str) -> None:
    # CRI-O gives no NET_RAW by itself, which ping needs
    container = {"name": pod, "securityContext": {"capabilities": {"add": ["NET_RAW"]}}}
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]}
    image = ("--image=podnet.local/toolbox:1", "--override-type=strategic", f"--overrides={json.dumps({'spec': spec})}")
    lab.kubectl("run", pod, *image, "--", "sleep", "1000")


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
        run_pod(lab, f"added-{name}", name)
    for name in lab.names:
        lab.kubectl("wait", "--for=condition=Ready", "--timeout=120s", f"pod/added-{name}")
        assert wakes(name) > before[name]
        lab.kubectl("exec", f"added-{name}", "--", "sleep", "0")
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


def assert_nothing_kept(lab: Lab, name: str, old: Known, new: Known | None) -> None:
    """A node that has ``new`` has nothing of the runtime ``old``."""
    # Docker Engine brings the distribution's containerd, with its own configuration
    shared = (CONTAINERD.file, *OF_CONTAINERD) if new is DOCKER else ()
    if old is CONTAINERD:
        assert not lab.node(name, f"grep --no-messages 'Written by podnet.cluster' {old.file}", check=False), name
    paths = [path for path in old.kept if path not in shared]
    assert not lab.node(name, f"ls -d {' '.join(paths)} 2>/dev/null", check=False), name
    assert not lab.node(name, f"cut -d ' ' -f 2 /proc/mounts | grep -E '^{old.mounts}'", check=False), name
    if not shared or old is not CONTAINERD:
        assert lab.node(name, f"systemctl is-active {old.unit}", check=False).strip() == "inactive"
        assert not lab.node(name, f"pgrep --list-name --full '^(/usr)?(/s?bin/)?({old.processes})( |$)'", check=False)
    if old.namespaces:
        assert not lab.node(name, f"ls /run/netns 2>/dev/null | grep -xE '{old.namespaces}'", check=False), name
    if new is not CRIO:
        assert "crio" not in lab.node(name, "nft list tables")


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_a_node_that_changes_its_runtime_keeps_nothing_of_it(lab, number):
    """What kubeadm has noted is of the new one: kubeadm of 1.34 and newer notes it on the node, not in the API."""
    before, after = (FIRST, *CHANGES)[number], CHANGES[number]
    up(lab, after)
    lab.play("site")
    healthy(lab, after)
    annotations = [each["metadata"]["annotations"] for each in lab.objects("nodes")]
    assert not any("kubeadm.alpha.kubernetes.io/cri-socket" in each for each in annotations)
    for name, old, new in zip(lab.names, before, after):
        noted = lab.node(name, "cat /var/lib/kubelet/config.yaml /var/lib/kubelet/instance-config.yaml")
        sockets = {line.split("unix://")[1].strip('"') for line in noted.splitlines() if "unix://" in line}
        assert sockets == {new.socket}
        if old is not new:
            assert_nothing_kept(lab, name, old, new)


def test_kubenet_s_case_with_each_runtime(lab):
    """Pods at a bridge of their node's own, with addresses of its podCIDR and the MTU of its interfaces."""
    lab.kubectl("delete", "namespace", "podnet-verify")
    lab.kubectl("scale", "deployment/coredns", "--namespace=kube-system", "--replicas=0")
    lab.kubectl(
        "wait", "--for=delete", "--timeout=120s", "--namespace=kube-system", "pod", "--selector=k8s-app=kube-dns"
    )
    lab.play("site", *KUBENET)
    pods = {f"{name}-{number}": name for name in lab.names for number in (1, 2)}
    for pod, name in pods.items():
        run_pod(lab, pod, name)
    lab.kubectl("wait", "--for=condition=Ready", "--timeout=120s", *(f"pod/{pod}" for pod in pods))
    addresses = {each["metadata"]["name"]: each["status"]["podIP"] for each in lab.objects("pods")}
    ranges = {each["metadata"]["name"]: ipaddress.ip_network(each["spec"]["podCIDR"]) for each in lab.objects("nodes")}
    for pod, name in pods.items():
        assert ipaddress.ip_address(addresses[pod]) in ranges[name]
        lab.node(name, f"ping -c 1 -W 5 {addresses[pod]}")
        (other,) = [addresses[each] for each in pods if each != pod and pods[each] == name]
        lab.kubectl("exec", pod, "--", "ping", "-c", "1", "-W", "5", other)
        smallest = lab.node(name, "cat /sys/class/net/[!l]*/mtu | sort -n | head -n 1").strip()
        assert f"mtu {smallest} " in lab.kubectl("exec", pod, "--", "ip", "link", "show", "dev", "eth0")
    for name in lab.names:
        ports = lab.node(name, "ip -brief link show master cbr0").splitlines()
        assert len(ports) == 2, ports
        assert "cni0" not in lab.node(name, "ip -brief link show type bridge")
    lab.kubectl("delete", "pod", *pods)


def test_reset_leaves_bare_nodes(lab):
    """That nothing is left is what reset.yml proves itself."""
    uid = lab.kubectl("get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}")
    lab.play("reset", *KUBENET, "-e", f"reset_confirm={uid}")
    for name in lab.names:
        for runtime in FIRST:
            assert_nothing_kept(lab, name, runtime, None)
