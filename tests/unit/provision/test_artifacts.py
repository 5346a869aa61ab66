# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Executables and images from files: what is installed, that it is installed once, and what is refused."""

from __future__ import annotations

import hashlib
import itertools
import os

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan, StateError
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.provision import artifacts
from ansible_collections.podnet.cluster.plugins.module_utils.provision.archive import Archive, ArchiveError
from ansible_collections.podnet.cluster.plugins.module_utils.provision.artifacts import Executable, Image


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node with a containerd of sorts: each archive is a file with the names of its images, and so is what it has."""
    ctr = tmp_path / "commands" / "ctr"
    ctr.parent.mkdir()
    ctr.write_text(
        f'#!/bin/sh\ncase "$4" in list) cat {tmp_path}/images 2>/dev/null || :;; '
        f'import) echo "$5" >> {tmp_path}/imports; cat "$5" >> {tmp_path}/images;; esac\n'
    )
    ctr.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ctr.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(artifacts, "RECORD", str(tmp_path / "state/artifacts.json"))
    return tmp_path


def file(path, text):
    path.write_text(text)
    return str(path), hashlib.sha256(text.encode()).hexdigest()


def lacking(executables, images):
    return artifacts.plan(*artifacts.lacking(executables, images, check_mode=False), check_mode=False)


def test_what_is_lacking_is_installed_once(node):
    executables = [Executable(str(node / "usr/bin/kubelet"), *file(node / "kubelet", "program"))]
    archive = file(node / "two.tar", "registry/a:1\nregistry/b:1\n")
    images = [Image("registry/a:1", *archive), Image("registry/b:1", *archive)]
    plan = Plan(then=lacking(executables, images))
    assert plan.apply() == []
    assert plan.describe() == [f"install {node}/usr/bin/kubelet", "install registry/a:1", "install registry/b:1"]
    assert (node / "usr/bin/kubelet").read_text() == "program" and os.access(node / "usr/bin/kubelet", os.X_OK)
    assert (node / "imports").read_text().endswith("-two.tar\n")  # one archive, one import
    assert (node / "imports").read_text().count("\n") == 1
    assert [path.name for path in (node / "state").iterdir()] == ["artifacts.json"]  # the image's copy is gone
    assert not Plan(then=lacking(executables, images))
    (node / "usr/bin/kubelet").write_text("another program")
    assert Plan(then=lacking(executables, images)).describe() == [f"install {node}/usr/bin/kubelet"]


def test_a_containerd_that_does_not_answer_is_no_node_without_images(node):
    """Else each of its images would be reported as changed."""
    image = Image("registry/a:1", *file(node / "a.tar", "registry/a:1\n"))
    (node / "commands/ctr").write_text("#!/bin/sh\necho connection refused >&2; exit 1\n")
    with pytest.raises(StateError, match=r"connection refused.*systemctl restart containerd"):
        lacking([], [image])
    assert not Plan(then=lacking([], []))  # without images it is not asked
    assert artifacts.lacking([], [image], check_mode=True) == ([], [image])


@pytest.mark.parametrize("broken", ["executable", "image"])
def test_a_wrong_checksum_is_found_before_anything_is_installed(node, broken):
    executable, image = file(node / "kubelet", "program"), file(node / "a.tar", "registry/a:1\n")
    (node / {"executable": "kubelet", "image": "a.tar"}[broken]).write_text("damaged")
    wanted = [Executable(str(node / "usr/bin/kubelet"), *executable)], [Image("registry/a:1", *image)]
    (error,) = Plan(then=lacking(*wanted)).apply()
    assert error.code == Code.CHANGE_FAILED and "has the SHA-256" in error.parameters["error"]
    assert not [path for path in (node / "usr").rglob("*") if path.is_file()] and not (node / "images").exists()


def test_what_is_installed_is_what_was_hashed(node):
    """The files are others by the time that they are installed."""
    executable, image = file(node / "kubelet", "program"), file(node / "a.tar", "registry/a:1\n")
    wanted = [Executable(str(node / "usr/bin/kubelet"), *executable)], [Image("registry/a:1", *image)]
    steps = lacking(*wanted)
    first = next(steps)  # all was copied and hashed
    for path in (executable[0], image[0]):
        with open(path, "w") as opened:
            opened.write("registry/b:1\n")
    for step in itertools.chain([first], steps):
        assert step.apply() == []
    assert (node / "usr/bin/kubelet").read_text() == "program" and (node / "images").read_text() == "registry/a:1\n"
    assert [path.name for path in (node / "state").iterdir()] == ["artifacts.json"]


def test_an_archive_without_the_image(node):
    wanted = [Image("registry/c:1", *file(node / "a.tar", "registry/a:1\n"))]
    (error,) = Plan(then=lacking([], wanted)).apply()
    assert error.subject == "install registry/c:1"
    assert error.parameters["error"] == f"{node}/a.tar does not hold an image registry/c:1: correct the name"


def test_check_mode_plans_without_the_files(node):
    wanted = [Image("registry/a:1", str(node / "none.tar"), "0" * 64)]
    assert [str(each) for each in artifacts.plan([], wanted, check_mode=True)] == ["install registry/a:1"]
    with pytest.raises(StateError, match="cannot be copied"):
        list(artifacts.plan([], wanted, check_mode=False))


ARCHIVE = Archive(
    "/srv/kubernetes",
    "1.37.2",
    {f"bin/{name}": name for name in ("kubelet", "kubeadm", "crictl", "runc")}
    | {"images/a.tar": "a", "images/b.tar": "b"},
    {"registry.k8s.io/etcd:3.7.0-0": "images/a.tar", "registry.k8s.io/coredns/coredns:v1.14.6": "images/b.tar"},
)


@pytest.mark.parametrize(
    ("components", "found"), [(["kubelet", "kubeadm"], ["kubelet", "kubeadm", "crictl"]), (["runc"], ["runc"])]
)
def test_the_components_of_an_archive(components, found):
    executables, images = artifacts.of_archive(ARCHIVE, "/usr/bin", components)
    assert [each.path for each in executables] == [f"/usr/bin/{name}" for name in found]
    assert [each.file for each in images] == ["/srv/kubernetes/images/a.tar", "/srv/kubernetes/images/b.tar"]


def test_images_of_an_archive_that_a_node_does_not_need():
    _executables, images = artifacts.of_archive(ARCHIVE, "/usr/bin", [], ["etcd", "kube-apiserver"])
    assert [each.name for each in images] == ["registry.k8s.io/coredns/coredns:v1.14.6"]


def test_a_component_that_the_archive_lacks():
    with pytest.raises(ArchiveError, match="no bin/containerd"):
        artifacts.of_archive(ARCHIVE, "/usr/bin", ["containerd"])
