# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""subnet.env is written as flannel writes it."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.overlay import config, lease, subnet_env
from overlays import entry


def test_subnet_env_is_flannels():
    parsed = config.parse({"node_name": "node1", "networks": ["10.244.0.0/16"]})
    assert subnet_env.render(parsed, lease.parse(entry(1)), 1450) == (
        "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
    )


def test_subnet_env_of_dual_stack_without_masquerade():
    networks = ["fd00:244::/48", "10.244.0.0/16"]
    parsed = config.parse({"node_name": "node1", "networks": networks, "masquerade": False})
    own = lease.parse(entry(1, pod_cidrs=["fd00:244:0:1::/64", "10.244.1.0/24"]))
    assert subnet_env.render(parsed, own, 1430).splitlines() == [
        "FLANNEL_NETWORK=10.244.0.0/16",
        "FLANNEL_SUBNET=10.244.1.1/24",
        "FLANNEL_IPV6_NETWORK=fd00:244::/48",
        "FLANNEL_IPV6_SUBNET=fd00:244:0:1::1/64",
        "FLANNEL_MTU=1430",
        "FLANNEL_IPMASQ=false",
    ]
