# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against a node, and what may."""

from __future__ import annotations

import errno
import socket

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import genl
from ansible_collections.podnet.cluster.plugins.module_utils.provision import fitness
from ansible_collections.podnet.cluster.plugins.module_utils.provision.fitness import Wanted
from ansible_collections.podnet.cluster.plugins.module_utils.provision.releases import parse


@pytest.fixture
def node(vagrant):
    """A bare Debian node, as gathered."""
    return {
        **vagrant,
        "distribution": {"family": "debian", "name": "Debian"},
        "architecture": "amd64",
        "kernel": "6.1.0-26-amd64",
        "kernel_modules_installed": True,
        "kernel_modules_lacking": [],
        "iptables_modules_lacking": [],
        "cgroup": 2,
        "cgroup_memory": True,
        "memory_mib": 2048,
        "cpus": 2,
        "firewalls": [],
        "cloud_setup": False,
        "joined": False,
        "control_plane": False,
        "membership": None,
        "ours": True,
        "flannel": "",
        "kubelet": None,
        "containerd": "1.7.28",
        "docker": None,
    }


def found(node, release="1.34", **wanted):
    """Code and subject of each finding, without those of ports in use on the machine that runs the test."""
    findings = fitness.check("n", node, Wanted(parse(release), **wanted))
    assert {each.node for each in findings} <= {"n"}
    return [(each.code, each.subject) for each in findings if each.code != Code.PORT_IN_USE]


def test_a_bare_node_fits(node):
    assert found(node, networks={"overlay_network": "10.244.0.0/16, fd00:244::/56"}) == []
    assert found(node, control_plane=True) == []
    assert found({**node, "containerd": "1.5.9", "docker": "26.1.5+dfsg1"}, runtime="docker") == []
    assert found({**node, "docker": "20.10.24"}) == []


JOINED = {"joined": True, "kubelet": "1.34.0"}


@pytest.mark.parametrize(
    ("changed", "wanted", "code", "subject"),
    [
        ({"distribution": {"family": "other", "name": "Alpine"}}, {}, Code.DISTRIBUTION_UNSUPPORTED, "Alpine"),
        ({"kernel_modules_lacking": ["vxlan"]}, {}, Code.KERNEL_MODULE_MISSING, "vxlan"),
        (
            {"kernel_modules_lacking": ["vxlan"], "kernel_modules_installed": False},
            {},
            Code.KERNEL_MODULES_REMOVED,
            "6.1.0-26-amd64",
        ),
        ({"iptables_modules_lacking": ["xt_comment"]}, {}, Code.KERNEL_WITHOUT_IPTABLES, "6.1.0-26-amd64"),
        (JOINED, {"control_plane": True}, Code.NODE_ROLE_DIFFERS, "n"),
        ({**JOINED, "control_plane": True}, {}, Code.NODE_ROLE_DIFFERS, "n"),
        ({**JOINED, "kubelet": "1.33.4"}, {}, Code.NODE_RELEASE_DIFFERS, "n"),
        ({"containerd": "1.5.9"}, {}, Code.RUNTIME_TOO_OLD, "1.5.9"),
        ({"docker": "20.10.24"}, {"runtime": "docker"}, Code.RUNTIME_DOCKER_TOO_OLD, "20.10.24"),
        ({"kernel": "4.18.0-553.el8.x86_64"}, {}, Code.KERNEL_TOO_OLD, "4.18.0-553.el8.x86_64"),
        ({"cgroup": 1}, {"release": "1.35"}, Code.CGROUP_VERSION, "1"),
        ({"cgroup_memory": False}, {}, Code.CGROUP_WITHOUT_MEMORY, "memory"),
        ({"memory_mib": 1699}, {"control_plane": True}, Code.MEMORY_TOO_SMALL, "1699"),
        ({"cpus": 1}, {"control_plane": True}, Code.CPUS_TOO_FEW, "1"),
        ({"kernel": "5.10.0"}, {"kube_proxy_mode": "nftables"}, Code.KERNEL_WITHOUT_NFTABLES_MODE, "5.10.0"),
        ({}, {"architecture": "arm64"}, Code.ARCHITECTURE_DIFFERS, "amd64"),
        ({}, {"networks": {"overlay_network": "10.0.0.0/16"}}, Code.NETWORK_ON_LINK, "overlay_network"),
        ({}, {"networks": {"overlay_network": "10.9.0.0/16,fd00::/48"}}, Code.NETWORK_ON_LINK, "overlay_network"),
        ({}, {"archive": "/no/such"}, Code.ARCHIVE_INVALID, "/no/such"),
        ({**JOINED, "kubelet": "1.32.4"}, {"upgrade": True}, Code.UPGRADE_SKIPS_RELEASES, "n"),
        ({**JOINED, "kubelet": "1.35.0"}, {"upgrade": True}, Code.UPGRADE_SKIPS_RELEASES, "n"),
        ({**JOINED, "kubelet": "1.34.4"}, {"upgrade": True, "release": "1.34.3"}, Code.UPGRADE_SKIPS_RELEASES, "n"),
        ({}, {"upgrade": True}, Code.NODE_NOT_JOINED, "n"),
        ({**JOINED, "ours": False}, {}, Code.NODE_UNMARKED, "n"),
        ({**JOINED, "ours": False}, {"upgrade": True}, Code.NODE_UNMARKED, "n"),
        ({**JOINED, "ours": False, "flannel": "10.244.0.0/16"}, {}, Code.NODE_OF_FLANNEL, "n"),
    ],
)
def test_a_node_that_does_not_fit(node, changed, wanted, code, subject):
    assert found({**node, **changed}, **wanted) == [(code, subject)]


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"cgroup": 1}, {"release": "1.34"}),
        ({"cgroup": 1}, {"release": "1.35", "cgroup_v1": True}),
        ({"memory_mib": 512}, {}),
        ({**JOINED, "ours": False}, {"adopt": True}),
        ({"ours": False}, {}),
        ({"memory_mib": 512}, {"control_plane": True, "ignored": ("Mem",)}),
        ({"memory_mib": 512, "cpus": 1}, {"control_plane": True, "ignored": ("mem", "numcpu")}),
        ({"memory_mib": 512, "cpus": 1}, {"control_plane": True, "ignored": ("all",)}),
        ({"cpus": 1}, {}),
        ({"kernel": "5.13.0"}, {"kube_proxy_mode": "nftables"}),
        ({"kernel": "5.10.0"}, {}),
        ({"kernel": "4.18.0"}, {"ignored": ("SystemVerification",)}),
        ({"kernel": "5.4"}, {}),
        ({"containerd": None}, {}),
        ({"kernel_modules_lacking": ["br_netfilter"], "distribution": {"family": "redhat", "name": "Rocky"}}, {}),
        ({"kernel_modules_lacking": ["x"], "distribution": {"family": "debian", "id": "ubuntu"}}, {}),
        ({"kernel_modules_installed": False}, {}),
        ({"iptables_modules_lacking": ["xt_comment"]}, {"kube_proxy_mode": "nftables"}),
        ({}, {"architecture": "amd64"}),
    ],
)
def test_a_node_that_fits_all_the_same(node, changed, wanted):
    assert found({**node, **changed}, **wanted) == []


@pytest.mark.parametrize("release", ["1.35", "1.34.5", "1.34.4", "1.34"])
def test_steps_that_an_upgrade_can_take(node, release):
    assert found({**node, "joined": True, "kubelet": "1.34.4"}, release=release, upgrade=True) == []


def test_a_kernel_without_the_back_end(node):
    try:
        genl.GenericChannel("wireguard").close()
    except OSError as error:
        assert error.errno == errno.ENOENT
        assert found(node, backend="wireguard") == [(Code.KERNEL_WITHOUT_BACKEND, node["kernel"])]
    else:
        assert found(node, backend="wireguard") == []


def test_the_pod_network_s_own_links_may_lie_in_it(node):
    node["interfaces"] = {
        name: {"addresses": ["10.244.1.1/24"], "mtu": 1450, "up": True}
        for name in ("cni0", "flannel.1", "flannel-v6.1", "veth1a2b")
    }
    assert found(node, networks={"overlay_network": "10.244.0.0/16"}) == []


def test_a_port_that_is_in_use(node, monkeypatch):
    monkeypatch.setattr(fitness, "listening", lambda: {22, 6443, 10250})
    ports = {each.subject for each in fitness.check("n", node, Wanted(parse("1.34"), control_plane=True))}
    assert ports == {"6443", "10250"}
    elsewhere = fitness.check("n", node, Wanted(parse("1.34"), control_plane=True, api_port=22))
    assert {each.subject: each.parameters["component"] for each in elsewhere}["22"] == "kube-apiserver"
    assert "6443" not in {each.subject for each in elsewhere}
    assert {each.subject for each in fitness.check("n", node, Wanted(parse("1.34")))} == {"10250"}
    assert fitness.check("n", {**node, **JOINED}, Wanted(parse("1.34"))) == []


def test_listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert port in fitness.listening()
    assert port not in fitness.listening()


@pytest.mark.parametrize(
    ("release", "containerd", "is_tested"),
    [
        ("1.34", "1.7.28", True),
        ("1.34", "1.7.24", False),
        ("1.34", "1.6.20", False),
        ("1.34", "2.0.5", False),
        ("1.34", "2.1.3", True),
        ("1.34", "2.4.0", True),
        ("1.35", "2.0.9", False),
        ("1.36", "1.7.40", False),
        ("1.37", "2.2.9", False),
        ("1.34", None, True),
    ],
)
def test_containerd_s_matrix(node, release, containerd, is_tested):
    found = fitness.warnings("n", {**node, "containerd": containerd}, Wanted(parse(release)))
    assert [each.code for each in found] == ([] if is_tested else [Code.RUNTIME_UNTESTED])


def test_a_firewall_is_told(node):
    """Unless the role opens it."""
    facts = {**node, "firewalls": ["firewalld", "ufw"]}
    (finding,) = fitness.warnings("n", facts, Wanted(parse("1.34"), firewalls=("firewalld",)))
    assert (finding.code, finding.subject) == (Code.FIREWALL_ACTIVE, "ufw")
    assert finding.parameters["listed"] == ["firewalld", "ufw"]


def test_a_cloud_s_rules_are_told(node):
    (finding,) = fitness.warnings("n", {**node, "cloud_setup": True}, Wanted(parse("1.34")))
    assert (finding.code, finding.subject) == (Code.RULES_OF_CLOUD_SETUP, "nm-cloud-setup")
