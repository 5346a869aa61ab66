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
    ("release", "pause"),
    [("1.34.0", "3.10.1"), ("v1.35.4", "3.10.1"), ("1.36", "3.10.2"), ("1.37", "3.10.2")],
)
def test_data(release, pause):
    found = kubernetes_release(release)
    assert found["kubeadm_api"] == "v1beta4"
    assert found["pause_image"] == f"registry.k8s.io/pause:{pause}"


def test_a_branch_has_no_version_and_a_patch_release_has():
    assert kubernetes_release("1.37")["version"] is None
    assert kubernetes_release("1.37.4")["version"] == "v1.37.4"
    assert kubernetes_release("1.37.4")["branch"] == "v1.37"


@pytest.mark.parametrize(
    ("release", "served"), [("1.37", True), ("1.37.2", True), ("1.37.3", False), ("1.36", True), ("1.35", False)]
)
def test_what_can_be_built_from_go_modules(release, served):
    assert parse(release).has_modules is served


@pytest.mark.parametrize(
    "value", ["1.19", "1.33", "1.38", "2.1", "1", "1.037", "1.37.x", "", None, 1.37, 37, ["1.37"], "1.37.4-rc1"]
)
def test_what_is_no_release(value):
    with pytest.raises(ReleaseError, match=r'from "1\.34" to "1\.37"') as failure:
        parse(value)
    assert repr(value) in str(failure.value)


def test_the_filter_fails_as_filters_do():
    with pytest.raises(AnsibleFilterError, match="kubernetes_release: '9'"):
        kubernetes_release("9")


def test_nodes_of_the_inventory():
    other = {"container_runtime": "crio", "cni_version": "1.1.0"}
    hostvars = {"a": {"node_name": "one", "node_address": "10.0.0.1"}, "b": other}
    one, two = cluster_nodes(["a", "b"], hostvars, ["a"])
    assert one == {
        "host": "a", "name": "one", "address": "10.0.0.1", "control_plane": True, "runtime": "containerd",
        "cni_version": None,
    }  # fmt: skip
    assert two == {
        "host": "b", "name": "b", "address": None, "control_plane": False, "runtime": "crio", "cni_version": "1.1.0",
    }  # fmt: skip
