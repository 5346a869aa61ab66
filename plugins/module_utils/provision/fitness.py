# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a node can become, or is, the node that the cluster's variables say: judged by its facts, before anything is
changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..converge import files
from ..findings.codes import Code
from ..findings.finding import Finding, Value
from ..ipam.prefix import parse_network_of, parse_prefix
from ..overlay import kernel
from ..verify.model.runtimes import DEFAULT
from . import archive, membership
from .releases import Release

#: TCP ports that Kubernetes' parts listen on (kubernetes.io, "Ports and Protocols"), but for the API server's.
NODE_PORTS = {10250: "kubelet"}
CONTROL_PLANE_PORTS = {
    2379: "etcd", 2380: "etcd", 10257: "kube-controller-manager", 10259: "kube-scheduler",
}  # fmt: skip
#: Links that the pod network makes: their addresses lie in it rightly.
OURS = re.compile(r"cni\d+|cbr0|flannel(-v6)?\.\d+|flannel-wg(-v6)?|veth.*|kube-ipvs0")
#: The oldest kernel that kubeadm's SystemVerification knows (system-validators); inet NAT is of 5.2.
KERNEL = (5, 4)
#: The oldest kernel that kube-proxy's nftables mode accepts (pkg/proxy/nftables/supported.go).
KERNEL_OF_NFTABLES_MODE = (5, 13)
#: MiB and CPUs that kubeadm's checks Mem and NumCPU want of a control plane (cmd/kubeadm/app/constants).
CONTROL_PLANE_MEMORY, CONTROL_PLANE_CPUS = 1700, 2
#: The first minor release whose kubelet has failCgroupV1 on by default (KEP-5573).
WITHOUT_CGROUP_V1 = 35
#: The oldest containerd that speaks CRI v1, as every kubelet since 1.26 wants (CHANGELOGs of both).
CRI_V1 = (1, 6)
#: The oldest Docker Engine with version 1.42 of its API, as cri-dockerd 0.4 wants (docs.docker.com, "Engine API").
DOCKER_API = 23
#: By minor release the oldest tested patch release of each branch of containerd ("Kubernetes Support" in RELEASES.md).
TESTED = {
    34: {(1, 7): 28, (2, 0): 6, (2, 1): 3},
    35: {(1, 7): 28, (2, 1): 5, (2, 2): 0},
    36: {(2, 2): 0, (2, 3): 0},
    37: {(2, 3): 0},
}
#: The matches and targets of iptables that kube-proxy's iptables mode uses (pkg/proxy/iptables/proxier.go).
IPTABLES = ("xt_comment", "xt_conntrack", "xt_mark", "xt_nat", "xt_statistic")
#: By distribution, the package with a kernel's less common modules, which the role node installs for the running one.
MODULE_PACKAGES = {"ubuntu": "linux-modules-extra", "redhat": "kernel-modules-extra"}
_LISTEN = "0A"


class Wanted(NamedTuple):
    """What a node should be. ``networks``: the pod and service networks by variable name; ``archive``: a Kubernetes
    archive that must be on the node, "" for none; ``architecture``: that of the archive on the controller, "" for none;
    ``backend``: the overlay's type; ``ignored``: kubeadm's own checks that are left out, by their names; ``cgroup_v1``:
    whether the kubelet should accept cgroup v1; ``adopt``: whether a node of a cluster that another tool made is
    accepted; ``firewalls``: those that the role opens, where they run; ``kube_proxy_mode``: kube-proxy's;
    ``archive_keyring``: a file of keys, one of which must have signed the archive; ``runtime``: the container
    runtime's; ``api_port``: the API server's port."""

    release: Release
    control_plane: bool = False
    networks: Mapping[str, str] = {}
    archive: str = ""
    architecture: str = ""
    backend: str = "vxlan"
    upgrade: bool = False
    ignored: tuple[str, ...] = ()
    cgroup_v1: bool = False
    adopt: bool = False
    firewalls: tuple[str, ...] = ()
    kube_proxy_mode: str = "iptables"
    archive_keyring: str = ""
    runtime: str = DEFAULT
    api_port: int = 6443


def check(node: str, found: Mapping[str, Any], wanted: Wanted) -> list[Finding]:
    """What in ``found`` (facts.gather with underlay's keys) stands against the node named ``node``."""
    findings = [
        *_system(node, found, wanted),
        *_kernel(node, found, wanted),
        *_runtime(node, found, wanted),
        *_membership(node, found, wanted),
        *_networks(node, found["interfaces"], wanted.networks),
    ]
    architecture = wanted.architecture
    if wanted.archive:
        content, wrong = archive.inspect(wanted.archive, node, not found["joined"], wanted.archive_keyring)
        findings += wrong
        architecture = archive.architecture(content) if content else ""
    if architecture not in ("", found["architecture"]):
        findings.append(Finding(Code.ARCHITECTURE_DIFFERS, node, found["architecture"], {"archive": architecture}))
    if not found["joined"]:
        ports = dict(NODE_PORTS)
        if wanted.control_plane:
            ports.update({wanted.api_port: "kube-apiserver", **CONTROL_PLANE_PORTS})
        for port in sorted(listening() & set(ports)):
            findings.append(Finding(Code.PORT_IN_USE, node, str(port), {"component": ports[port]}))
    return findings


def warnings(node: str, found: Mapping[str, Any], wanted: Wanted) -> list[Finding]:
    """What may go wrong on the node, or not."""
    closed = [name for name in found["firewalls"] if name not in wanted.firewalls]
    findings = [Finding(Code.FIREWALL_ACTIVE, node, name, {"listed": [*wanted.firewalls, name]}) for name in closed]
    if found["cloud_setup"]:
        findings.append(Finding(Code.RULES_OF_CLOUD_SETUP, node, "nm-cloud-setup"))
    tested = TESTED.get(wanted.release.minor)
    if tested and found["containerd"] and wanted.runtime == DEFAULT:
        major, minor, patch = _numbers(found["containerd"])
        if patch < tested.get((major, minor), 0 if (major, minor) > max(tested) else patch + 1):
            least = [f"{branch[0]}.{branch[1]}.{first}" for branch, first in sorted(tested.items())]
            values: dict[str, Value] = {"release": wanted.release.name, "tested": least}
            findings.append(Finding(Code.RUNTIME_UNTESTED, node, found["containerd"], values))
    return findings


def _system(node: str, found: Mapping[str, Any], wanted: Wanted) -> Iterator[Finding]:
    if found["distribution"]["family"] == "other":
        yield Finding(Code.DISTRIBUTION_UNSUPPORTED, node, found["distribution"]["name"] or "an unknown system")
    if not wanted.control_plane:
        return
    if found["memory_mib"] < CONTROL_PLANE_MEMORY and not _ignored("Mem", wanted):
        yield Finding(Code.MEMORY_TOO_SMALL, node, str(found["memory_mib"]), {"least": CONTROL_PLANE_MEMORY})
    if found["cpus"] < CONTROL_PLANE_CPUS and not _ignored("NumCPU", wanted):
        yield Finding(Code.CPUS_TOO_FEW, node, str(found["cpus"]), {"least": CONTROL_PLANE_CPUS})


def _ignored(check: str, wanted: Wanted) -> bool:
    """Whether kubeadm leaves out its ``check``; "all" stands for each, and it takes the names in any case."""
    return bool({check.lower(), "all"} & {name.lower() for name in wanted.ignored})


def _kernel(node: str, found: Mapping[str, Any], wanted: Wanted) -> Iterator[Finding]:
    version = _numbers(found["kernel"])[:2]
    if version < KERNEL and not _ignored("SystemVerification", wanted):
        yield Finding(Code.KERNEL_TOO_OLD, node, found["kernel"], {"least": "{}.{}".format(*KERNEL)})
    elif version < KERNEL_OF_NFTABLES_MODE and wanted.kube_proxy_mode == "nftables":
        values: dict[str, Value] = {"least": "{}.{}".format(*KERNEL_OF_NFTABLES_MODE)}
        yield Finding(Code.KERNEL_WITHOUT_NFTABLES_MODE, node, found["kernel"], values)
    if found["cgroup"] == 1 and wanted.release.minor >= WITHOUT_CGROUP_V1 and not wanted.cgroup_v1:
        yield Finding(Code.CGROUP_VERSION, node, "1", {"release": wanted.release.name})
    if not found["cgroup_memory"]:
        yield Finding(Code.CGROUP_WITHOUT_MEMORY, node, "memory")
    yield from _modules(node, found, wanted)
    family = kernel.missing(wanted.backend)
    if family:
        values = {"family": family, "backend": wanted.backend}
        yield Finding(Code.KERNEL_WITHOUT_BACKEND, node, found["kernel"], values)


def _modules(node: str, found: Mapping[str, Any], wanted: Wanted) -> Iterator[Finding]:
    """Kernel modules that are not there, but for those that the role installs."""
    lacking = found["kernel_modules_lacking"]
    if not found["kernel_modules_installed"]:
        if lacking:
            yield Finding(Code.KERNEL_MODULES_REMOVED, node, found["kernel"], {"modules": lacking})
        return
    if not {found["distribution"]["family"], found["distribution"].get("id")} & set(MODULE_PACKAGES):
        for name in lacking:
            yield Finding(Code.KERNEL_MODULE_MISSING, node, name, {"kernel": found["kernel"]})
    if found["iptables_modules_lacking"] and wanted.kube_proxy_mode == "iptables":
        values: dict[str, Value] = {"modules": found["iptables_modules_lacking"]}
        yield Finding(Code.KERNEL_WITHOUT_IPTABLES, node, found["kernel"], values)


def _runtime(node: str, found: Mapping[str, Any], wanted: Wanted) -> Iterator[Finding]:
    containerd, docker = found["containerd"], found["docker"]
    if containerd and wanted.runtime == DEFAULT and _numbers(containerd)[:2] < CRI_V1:
        values = {"release": wanted.release.name, "least": "{}.{}".format(*CRI_V1)}
        yield Finding(Code.RUNTIME_TOO_OLD, node, containerd, values)
    if docker and wanted.runtime == "docker" and _numbers(docker)[0] < DOCKER_API:
        yield Finding(Code.RUNTIME_DOCKER_TOO_OLD, node, docker, {"least": DOCKER_API})


def _membership(node: str, found: Mapping[str, Any], wanted: Wanted) -> Iterator[Finding]:
    """Whether the role that the node has in a cluster already is the desired one."""
    kubelet, release = found["kubelet"], wanted.release
    if found["joined"] and found["control_plane"] != wanted.control_plane:
        roles = {True: "control plane", False: "worker"}
        differing = {"found": roles[found["control_plane"]], "wanted": roles[wanted.control_plane]}
        yield Finding(Code.NODE_ROLE_DIFFERS, node, node, differing)
    if found["joined"] and not found["ours"] and not wanted.adopt:
        if found["flannel"]:
            values: dict[str, Value] = {"network": found["flannel"], "bin_dir": membership.BIN_DIR}
            yield Finding(Code.NODE_OF_FLANNEL, node, node, values)
        else:
            yield Finding(Code.NODE_UNMARKED, node, node, {"marker": membership.MARKER})
    if wanted.upgrade:
        yield from _step(node, found, release)
    elif found["joined"] and kubelet and _numbers(kubelet)[:2] != (1, release.minor):
        yield Finding(Code.NODE_RELEASE_DIFFERS, node, node, {"found": kubelet, "wanted": release.name})


def _step(node: str, found: Mapping[str, Any], release: Release) -> Iterator[Finding]:
    """Whether the node's release can be upgraded to ``release``: kubeadm goes one minor release at a time, never
    back."""
    kubelet = found["kubelet"]
    if not found["joined"] or not kubelet:
        yield Finding(Code.NODE_NOT_JOINED, node, node)
        return
    _major, minor, patch = _numbers(kubelet)
    if not minor <= release.minor <= minor + 1 or (release.minor == minor and (release.patch or patch) < patch):
        values = {"found": kubelet, "wanted": release.name, "minor": minor, "next": minor + 1}
        yield Finding(Code.UPGRADE_SKIPS_RELEASES, node, node, values)


def _networks(node: str, interfaces: Mapping[str, Any], networks: Mapping[str, str]) -> Iterator[Finding]:
    for variable, text in networks.items():
        for network in (parse_prefix(part.strip()) for part in text.split(",")):
            for name, interface in interfaces.items():
                if name == "lo" or OURS.fullmatch(name):
                    continue
                for address in interface["addresses"]:
                    if network.overlaps(parse_network_of(address)[0]):
                        values = {"network": str(network), "address": address, "interface": name}
                        yield Finding(Code.NETWORK_ON_LINK, node, variable, values)


def listening() -> set[int]:
    """The TCP ports on which something listens."""
    rows = [
        line.split()
        for path in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in (files.read(path) or "").splitlines()[1:]
    ]
    return {int(row[1].rsplit(":", 1)[1], 16) for row in rows if row[3] == _LISTEN}


def _numbers(version: str) -> tuple[int, int, int]:
    """The first three numbers of ``6.1.0-26-amd64`` or ``1.7.28``; what is missing counts as 0."""
    major, minor, patch = ([int(number) for number in re.findall(r"\d+", version)] + [0, 0, 0])[:3]
    return major, minor, patch
