# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that can carry Kubernetes."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("name", "value"),
    [("net.ipv4.ip_forward", 1), ("net.bridge.bridge-nf-call-iptables", 1), ("net.ipv4.conf.all.rp_filter", 0)],
)
def test_sysctl_is_set_now_and_at_boot(host, name, value):
    assert host.sysctl(name) == value
    assert f"{name} = {value}" in host.file("/etc/sysctl.d/90-podnet.conf").content_string


@pytest.mark.parametrize("program", ["conntrack", "socat", "iptables", "mount", "openssl"])
def test_program_that_kubeadm_wants(host, program):
    assert host.exists(program)


def test_every_node_is_known_by_name(host):
    for name, address in (("node1", "10.87.0.11"), ("node2", "10.87.0.12")):
        assert address in host.addr(name).ipv4_addresses


def test_no_swap(host):
    assert host.run("swapon --show --noheadings").stdout == "" or "swap" not in host.file("/etc/fstab").content_string


def test_host_name(host):
    assert host.check_output("hostname") == host.backend.node
