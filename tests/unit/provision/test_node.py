# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the cluster's address is on a node, and what stands against the node."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import genl
from ansible_collections.podnet.cluster.plugins.module_utils.provision import facts, fitness
from ansible_collections.podnet.cluster.plugins.module_utils.provision.releases import parse

#: A Vagrant machine: the default route is the NAT interface's, which has one address on every machine.
VAGRANT = {
    "interfaces": {
        "lo": {"addresses": ["127.0.0.1/8"], "mtu": 65536, "up": True},
        "eth0": {"addresses": ["10.0.2.15/24"], "mtu": 1500, "up": True},
        "eth1": {"addresses": ["fd00::11/64", "192.168.56.11/24"], "mtu": 1500, "up": True},
        "eth2": {"addresses": [], "mtu": 1500, "up": False},
    },
    "default_interface": "eth0",
}


@pytest.mark.parametrize(
    ("address", "interface", "found"),
    [
        (None, None, ("10.0.2.15", "eth0")),
        (None, "eth1", ("192.168.56.11", "eth1")),
        ("192.168.56.11", None, ("192.168.56.11", "eth1")),
        ("fd00:0::11", "eth1", ("fd00:0::11", "eth1")),
    ],
)
def test_place(address, interface, found):
    assert facts.place(VAGRANT, address, interface) == (*found, [])


@pytest.mark.parametrize(
    ("address", "interface", "told"),
    [
        ("192.168.56.99", None, ["node_address", "192.168.56.99", "eth1 (fd00::11/64 192.168.56.11/24)"]),
        (None, "eth9", ["node_interface", "eth9", "eth0 (10.0.2.15/24)"]),
        (None, "eth2", ["node_interface", "eth2 is down"]),
        ("10.0.2.15", "eth1", ["node_address", "10.0.2.15", "eth0", "eth1"]),
    ],
)
def test_place_that_is_wrong(address, interface, told):
    text = "\n".join(facts.place(VAGRANT, address, interface)[2])
    assert [part for part in told if part not in text] == []


def test_no_default_route_and_nothing_given():
    assert "default route" in facts.place({**VAGRANT, "default_interface": None}, None, None)[2][0]


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ('ID=debian\nVERSION_ID="13"\n', "debian"),
        ('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n', "debian"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n', "redhat"),
        ("ID=fedora\n", "redhat"),
        ("ID=alpine\n", "other"),
        ("", "other"),
    ],
)
def test_families(text, family):
    assert facts.os_release(text)["family"] == family


@pytest.fixture
def node():
    """A bare Debian node, as gathered."""
    return {
        **VAGRANT,
        "distribution": {"family": "debian", "name": "Debian"},
        "joined": False,
        "control_plane": False,
        "kubelet": None,
        "containerd": "1.6.20",
    }


def told(node, release="1.36", control_plane=False, networks=None, archive=None, upgrade=False, backend="vxlan"):
    """The problems, without those of ports in use on the machine that runs the test."""
    found = fitness.problems(node, parse(release), control_plane, networks or {}, archive, upgrade, backend)
    return [problem for problem in found if "TCP port" not in problem]


def test_a_kernel_without_the_back_end_is_told(node):
    try:
        genl.GenericChannel("wireguard").close()
    except OSError as error:
        assert error.errno == errno.ENOENT
        (problem,) = told(node, backend="wireguard")
        assert problem.startswith("overlay_backend: type: wireguard: this kernel") and os.uname().release in problem
    else:
        assert told(node, backend="wireguard") == []


def test_a_bare_node_fits(node):
    assert told(node, networks={"overlay_network": "10.244.0.0/16"}) == []


@pytest.mark.parametrize(
    ("changed", "how", "parts"),
    [
        ({"distribution": {"family": "other", "name": "Alpine"}}, {}, ["Alpine", "Debian"]),
        ({"joined": True, "kubelet": "1.36.0"}, {"control_plane": True}, ["worker already", "reset.yml"]),
        ({"joined": True, "kubelet": "1.36.0", "control_plane": True}, {}, ["control plane already", "reset.yml"]),
        ({"joined": True, "kubelet": "1.35.4"}, {}, ["kubernetes_release", "1.35.4", "upgrade.yml"]),
        ({}, {"networks": {"overlay_network": "10.0.0.0/16"}}, ["overlay_network", "10.0.2.15/24", "eth0"]),
        ({}, {"archive": "/no/such"}, ["kubernetes_archive", "/no/such"]),
        ({"joined": True, "kubelet": "1.34.4"}, {"upgrade": True}, ["no way to 1.36", "1.35"]),
        ({"joined": True, "kubelet": "1.37.0"}, {"upgrade": True}, ["no way to 1.36"]),
        ({"joined": True, "kubelet": "1.36.4"}, {"upgrade": True, "release": "1.36.3"}, ["no way to 1.36.3"]),
        ({}, {"upgrade": True}, ["in no cluster"]),
    ],
)
def test_a_node_that_does_not_fit(node, changed, how, parts):
    text = "\n".join(told({**node, **changed}, **how))
    assert [part for part in parts if part not in text] == []


@pytest.mark.parametrize("release", ["1.37", "1.36.5", "1.36.4", "1.36"])
def test_steps_that_an_upgrade_can_take(node, release):
    assert told({**node, "joined": True, "kubelet": "1.36.4"}, release=release, upgrade=True) == []


def test_the_pod_network_s_own_links_may_lie_in_it(node):
    node["interfaces"] = {
        name: {"addresses": ["10.244.1.1/24"], "mtu": 1450, "up": True}
        for name in ("cni0", "flannel.1", "flannel-v6.1", "veth1a2b")
    }
    assert told(node, networks={"overlay_network": "10.244.0.0/16"}) == []


def test_listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert port in fitness.listening()
    assert port not in fitness.listening()


@pytest.mark.skipif(os.geteuid() != 0, reason="an echo request takes a raw socket, and that takes root")
def test_who_answers(netns):
    """A namespace of its own: 127.0.0.1 answers, and 192.0.2.1 (RFC 5737), to which there is no route, does not."""
    code = (
        "from ansible_collections.podnet.cluster.plugins.module_utils.provision.fitness import unanswered;"
        "print(unanswered(['127.0.0.1', '192.0.2.1', '::1'], seconds=0.2, attempts=2))"
    )
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root / "build/collections")}
    assert netns.run(sys.executable, "-c", code, env=environment).stdout.strip() == "['192.0.2.1']"
