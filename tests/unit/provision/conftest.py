# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that is right, as preflight sees it."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.provision.inventory import Node


@pytest.fixture
def variables():
    """The variables of a cluster that is right."""
    return {
        "overlay_network": "10.244.0.0/16",
        "overlay_node_prefix": 24,
        "overlay_node_prefix_ipv6": 64,
        "overlay_backend": {"type": "vxlan"},
        "control_plane_service_network": "10.96.0.0/12",
        "control_plane_endpoint": "api.podnet.internal:6444",
        "control_plane_balancer": True,
        "control_plane_api_port": 6443,
        "containerd_registry_mirrors": {},
        "kubernetes_release": "1.34",
        "kubernetes_source": "repository",
        "kubernetes_archive": "",
    }


@pytest.fixture
def nodes():
    """Nodes with these addresses, the first one the control plane; ``names`` are other names by number."""

    def make(*addresses, names=None):
        named = {number: f"node{number}" for number in range(1, len(addresses) + 1)} | (names or {})
        return [
            Node(f"host{number}", named[number], address, number == 1) for number, address in enumerate(addresses, 1)
        ]

    return make


@pytest.fixture
def three(nodes):
    """Three nodes."""
    return nodes("10.77.0.11", "10.77.0.12", "10.77.0.13")


@pytest.fixture
def vagrant():
    """A Vagrant machine's interfaces: the default route is the NAT's, which has one address on every machine."""
    return {
        "interfaces": {
            "lo": {"addresses": ["127.0.0.1/8"], "mtu": 65536, "up": True},
            "eth0": {"addresses": ["10.0.2.15/24"], "mtu": 1500, "up": True},
            "eth1": {"addresses": ["fd00::11/64", "192.168.56.11/24"], "mtu": 1500, "up": True},
            "eth2": {"addresses": [], "mtu": 1500, "up": False},
            "eth3": {"addresses": ["169.254.7.7/16"], "mtu": 1500, "up": True},
        },
        "default_interface": "eth0",
    }
