# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Kubernetes release is built from: a folder below modules/ for each project, whose go.mod names the version."""

from __future__ import annotations

import pathlib
import re
from typing import NamedTuple

MODULES = pathlib.Path(__file__).resolve().parent / "modules"

#: For each minor release the folders that its archive is built from.
RELEASES = {
    "1.36": ("kubernetes-1.36", "etcd-3.6", "coredns-1.14", "cri-tools-1.37", "containerd-2.3", "runc-1.5"),
    "1.37": ("kubernetes-1.37", "etcd-3.7", "coredns-1.14", "cri-tools-1.37", "containerd-2.3", "runc-1.5"),
}
CURRENT = "1.37"
#: The folders of further container runtimes, by the name that the variable container_runtime has for them.
RUNTIMES = {"crio": "crio-1.34", "docker": "cri-dockerd-0.4"}


class Project(NamedTuple):
    """How a project is built, as its own Makefile does it.

    ``packages`` are Go import paths of programs; ``renamed`` are programs that go by another name than their package;
    ``variables`` are set by the linker (``-X``), with ``{version}``, ``{major}`` and ``{minor}`` filled in.
    """

    module: str
    packages: tuple[str, ...]
    renamed: dict[str, str] = {}
    tags: str = ""
    variables: tuple[str, ...] = ()
    cgo: bool = False


_K8S_COMMANDS = "kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubeadm kubectl kubelet".split()
_K8S_VERSION = ("gitVersion=v{version}", "gitMajor={major}", "gitMinor={minor}", "gitTreeState=clean", "gitCommit=")

PROJECTS = {
    "kubernetes": Project(
        "k8s.io/kubernetes",
        tuple(f"k8s.io/kubernetes/cmd/{name}" for name in _K8S_COMMANDS),
        tags="selinux,notest,grpcnotrace",
        # Without these kubeadm takes itself for v0.0.0 (hack/lib/version.sh).
        variables=tuple(
            f"{package}.{variable}"
            for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
            for variable in _K8S_VERSION
        ),
    ),
    "etcd": Project(
        "go.etcd.io/etcd/server/v3",
        ("go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/etcdctl/v3", "go.etcd.io/etcd/etcdutl/v3"),
        renamed={"server": "etcd"},
    ),
    "coredns": Project("github.com/coredns/coredns", ("github.com/coredns/coredns",)),
    "cri-tools": Project(
        "sigs.k8s.io/cri-tools",
        ("sigs.k8s.io/cri-tools/cmd/crictl",),
        variables=("sigs.k8s.io/cri-tools/pkg/version.Version=v{version}",),
    ),
    "containerd": Project(
        "github.com/containerd/containerd/v2",
        tuple(
            f"github.com/containerd/containerd/v2/cmd/{name}"
            for name in ("containerd", "containerd-shim-runc-v2", "ctr")
        ),
        tags="no_btrfs",
        variables=("github.com/containerd/containerd/v2/version.Version=v{version}",),
    ),
    # In C as well: nsenter and libseccomp. Linked statically, so that one build serves nodes of every suite.
    "runc": Project(
        "github.com/opencontainers/runc",
        ("github.com/opencontainers/runc",),
        tags="seccomp,urfave_cli_no_docs,netgo,osusergo",
        cgo=True,
    ),
    "crio": Project(
        "github.com/cri-o/cri-o",
        ("github.com/cri-o/cri-o/cmd/crio",),
        tags="containers_image_openpgp,containers_image_ostree_stub,exclude_graphdriver_btrfs,btrfs_noversion,"
        "seccomp,selinux,netgo,osusergo",
        cgo=True,
    ),
    "cri-dockerd": Project(
        "github.com/Mirantis/cri-dockerd",
        ("github.com/Mirantis/cri-dockerd",),
        variables=("github.com/Mirantis/cri-dockerd/cmd/version.Version={version}",),
    ),
}


#: A project's programs in C: by name the folder in its module that has their files.
SOURCES = {"crio": {"pinns": "pinns/src"}}


def sources(folder: str) -> dict[str, str]:
    """The programs in C of a folder below modules/."""
    return SOURCES.get(folder.rpartition("-")[0], {})


def project(folder: str) -> Project:
    """The project of a folder below modules/: that of ``etcd-3.7`` is ``etcd``."""
    return PROJECTS[folder.rpartition("-")[0]]


def version(folder: str) -> str:
    """The version that the folder's go.mod requires of its project, without the ``v``."""
    text = (MODULES / folder / "go.mod").read_text()
    match = re.search(rf"(?m)^(?:require )?\s*{re.escape(project(folder).module)} v(\S+)", text)
    if not match:
        raise ValueError(f"modules/{folder}/go.mod does not require {project(folder).module}")
    return match[1]


def programs(folder: str) -> list[str]:
    """The names of a folder's programs: `go build` names one after its package, without a major version's suffix."""
    found = project(folder)
    names = [re.sub(r"/v\d+$", "", package).rpartition("/")[2] for package in found.packages]
    return [found.renamed.get(name, name) for name in names] + [*sources(folder)]
