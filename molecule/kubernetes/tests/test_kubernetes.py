# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' programs and images, of the release that was asked for."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def release(host) -> str:
    """The archive's release."""
    return json.loads(host.file("/srv/kubernetes/manifest.json").content_string)["release"]


@pytest.mark.parametrize("command", ["kubelet --version", "kubeadm version --output short", "kubectl version --client"])
def test_program(host, release, command):
    assert f"v{release}" in host.check_output(command).split()


def test_images_are_there(host):
    """On a worker all but those that only the control plane runs."""
    manifest = json.loads(host.file("/srv/kubernetes/manifest.json").content_string)
    wanted = {image["name"] for image in manifest["images"]}
    control_plane = {
        name for name in wanted if name.rpartition("/")[2].startswith(("etcd:", "kube-apiserver:", "kube-controller-"))
    }
    assert len(control_plane) == 3
    present = set(host.check_output("ctr --namespace k8s.io images ls --quiet").split())
    if host.check_output("hostname") == "node1":
        assert wanted - present == set()
    else:
        assert wanted - present >= control_plane


def test_kubelet_waits_for_kubeadm(host):
    assert host.service("kubelet").is_enabled
    unit = host.check_output("systemctl cat kubelet")
    assert "/var/lib/kubelet/config.yaml" in unit
    assert "--cni-bin-dir" not in unit, "the directories of plugins are containerd's, not the kubelet's"
