# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CRI-O on one node, Docker Engine with cri-dockerd on the other: each as its role configures it."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def crio(host):
    """What CRI-O made of its files."""
    if not host.exists("crio"):
        pytest.skip("the node's runtime is another")
    return host.check_output("crio status --socket /run/crio/crio.sock config")


@pytest.fixture
def docker(host):
    """What Docker Engine says of itself."""
    if not host.exists("dockerd"):
        pytest.skip("the node's runtime is another")
    return json.loads(host.check_output("docker info --format '{{json .}}'"))


def test_crio_s_effective_configuration(crio, host):
    assert host.service("crio").is_running and host.service("crio").is_enabled
    assert 'network_dir = "/etc/cni/net.d"' in crio
    assert '"/opt/podnet/current/bin"' in crio
    assert 'cgroup_manager = "systemd"' in crio
    assert 'root = "/var/lib/crio/storage"' in crio


def test_docker_engine_has_no_network_of_its_own(docker, host):
    assert host.service("docker").is_running and host.service("docker").is_enabled
    assert docker["CgroupDriver"] == "systemd" and docker["LiveRestoreEnabled"]
    assert not host.interface("docker0").exists
    assert "docker" not in host.check_output("iptables-save; ip6tables-save").lower()
    assert "FORWARD DROP" not in host.check_output("iptables-save")


def test_cri_dockerd_s_command_line(docker, host):
    assert host.service("cri-docker").is_running and host.service("cri-docker").is_enabled
    (process,) = host.process.filter(comm="cri-dockerd")
    assert "--cni-bin-dir=/opt/podnet/current/bin" in process.args
    assert "--cni-conf-dir=/etc/cni/net.d" in process.args
    assert host.file("/run/cri-dockerd.sock").is_socket
