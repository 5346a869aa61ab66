# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container runtime that finds our plugins and runs the pods' sandboxes."""

from __future__ import annotations


def test_service(host):
    service = host.service("containerd")
    assert service.is_running
    assert service.is_enabled


def test_effective_configuration(host):
    """What containerd made of its file, not what the file says: it ignores what it does not know."""
    dump = host.check_output("containerd config dump").replace("'", '"')
    assert 'bin_dirs = ["/opt/podnet/current/bin"]' in dump
    assert dump.startswith("version = 4\n")
    assert 'conf_dir = "/etc/cni/net.d"' in dump
    assert "SystemdCgroup = true" in dump
    assert "restrict_oom_score_adj = true" in dump


def test_nothing_that_is_configured_is_deprecated(host):
    """Of cgroup version 1, which is the host's, containerd warns, too."""
    deprecated = [line.split()[0] for line in host.check_output("ctr deprecations list").splitlines()[1:]]
    assert set(deprecated) <= {"io.containerd.deprecation/cgroup-v1"}


def test_kubernetes_interface_is_on(host):
    rows = [line.split() for line in host.check_output("ctr plugins ls").splitlines()]
    assert [row[-1] for row in rows if row[0].startswith("io.containerd.grpc.v1") and row[1] == "cri"] == ["ok"]
