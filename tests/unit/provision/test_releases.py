# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from a Kubernetes release."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.podnet.cluster.plugins.filter.cluster import cluster_nodes, kubernetes_release
from ansible_collections.podnet.cluster.plugins.module_utils.provision.releases import ReleaseError, parse


@pytest.mark.parametrize(
    ("release", "api", "pause", "taints"),
    [
        ("1.20.2", "v1beta2", "k8s.gcr.io/pause:3.2", ["master"]),
        ("1.21", "v1beta2", "k8s.gcr.io/pause:3.4.1", ["master"]),
        ("1.22", "v1beta3", "k8s.gcr.io/pause:3.5", ["master"]),
        ("1.24.17", "v1beta3", "k8s.gcr.io/pause:3.7", ["master", "control-plane"]),
        ("1.25", "v1beta3", "registry.k8s.io/pause:3.8", ["control-plane"]),
        ("v1.30.1", "v1beta3", "registry.k8s.io/pause:3.9", ["control-plane"]),
        ("1.31", "v1beta4", "registry.k8s.io/pause:3.10", ["control-plane"]),
        ("1.34.0", "v1beta4", "registry.k8s.io/pause:3.10.1", ["control-plane"]),
    ],
)
def test_data(release, api, pause, taints):
    found = kubernetes_release(release)
    assert found["kubeadm_api"] == api
    assert found["pause_image"] == pause
    assert found["control_plane_taints"] == [f"node-role.kubernetes.io/{name}" for name in taints]


def test_a_branch_has_no_version_and_a_patch_release_has():
    assert kubernetes_release("1.31")["version"] is None
    assert kubernetes_release("1.31.4")["version"] == "v1.31.4"
    assert kubernetes_release("1.31.4")["branch"] == "v1.31"


def test_the_socket_is_a_url_since_1_24():
    assert kubernetes_release("1.23")["cri_socket"] == "/run/containerd/containerd.sock"
    assert kubernetes_release("1.24")["cri_socket"] == "unix:///run/containerd/containerd.sock"


@pytest.mark.parametrize(
    "value", ["1.19", "1.36", "2.1", "1", "1.031", "1.31.x", "", None, 1.31, 31, ["1.31"], "1.31.4-rc1"]
)
def test_what_is_no_release(value):
    with pytest.raises(ReleaseError, match=r'from "1\.20" to "1\.35"') as failure:
        parse(value)
    assert repr(value) in str(failure.value)


def test_the_filter_fails_as_filters_do():
    with pytest.raises(AnsibleFilterError, match="kubernetes_release: '9'"):
        kubernetes_release("9")


def test_nodes_of_the_inventory():
    hostvars = {"a": {"node_name": "one", "node_address": "10.0.0.1"}, "b": {}}
    assert cluster_nodes(["a", "b"], hostvars, ["a"]) == [
        {"host": "a", "name": "one", "address": "10.0.0.1", "control_plane": True},
        {"host": "b", "name": "b", "address": None, "control_plane": False},
    ]
