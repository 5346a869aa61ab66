# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong around the overlay and not the overlay's to change."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.link import Link
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import (
    config,
    lease,
    offload,
    own,
    reconcile,
    surroundings,
)
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.backend import Desired

CONFIG = config.parse({"node_name": "node1", "networks": ["10.244.0.0/16"], "bridge": "cni0"})
OWN = lease.parse({"name": "node1", "address": "192.0.2.1", "pod_cidrs": ["10.244.1.0/24"]})


@pytest.fixture
def overlay(monkeypatch):
    monkeypatch.setattr(surroundings, "dropping_chains", lambda *_config: [])
    return reconcile.Overlay(Desired([], {}, "flannel.1", 1450, {}), Plan())


def test_a_driver_that_spoils_checksums_and_is_trusted_all_the_same(overlay):
    overlay.offload = offload.choose(True, "eth0", [Link("eth0")], lambda _device: "vmxnet3")
    (found,) = surroundings.judge(CONFIG, overlay)
    assert (found.code, found.subject) == (Code.OVERLAY_CHECKSUM_DRIVER, "flannel.1")
    overlay.offload = offload.choose("auto", "eth0", [Link("eth0")], lambda _device: "vmxnet3")
    assert surroundings.judge(CONFIG, overlay) == []


def test_a_link_of_another_kind_in_the_bridge_s_place(overlay):
    objects, overlay.warning = own.bridge(CONFIG, OWN, 1450, [Link("cni0", "veth")])
    (found,) = surroundings.judge(CONFIG, overlay)
    assert objects == [] and (found.code, found.subject) == (Code.OVERLAY_BRIDGE_KIND, "cni0")
    assert found.parameters == {"kind": "veth"}


NFT = "nft insert rule {} {} saddr {} accept; nft insert rule {} {} daddr {} accept"
V4, V6 = "10.244.0.0/16", "fd00:244::/48"


@pytest.mark.parametrize(
    ("chain", "accept"),
    [
        ("ip filter FORWARD", NFT.format(*("ip filter FORWARD", "ip", V4) * 2)),
        ("ip6 filter FORWARD", NFT.format(*("ip6 filter FORWARD", "ip6", V6) * 2)),
        (
            "inet fw forward",
            "; ".join(NFT.format(*("inet fw forward", *each) * 2) for each in (("ip", V4), ("ip6", V6))),
        ),
        (
            "inet firewalld filter_FORWARD",
            "".join(f"firewall-cmd --permanent --zone=trusted --add-source={each}; " for each in (V4, V6))
            + "firewall-cmd --reload",
        ),
        (
            "iptables-legacy filter FORWARD",
            f"iptables-legacy -I FORWARD -s {V4} -j ACCEPT; iptables-legacy -I FORWARD -d {V4} -j ACCEPT",
        ),
    ],
)
def test_chains_that_drop(overlay, monkeypatch, chain, accept):
    """The fix is of the chain's own tool and IP version."""
    monkeypatch.setattr(surroundings, "dropping_chains", lambda *_config: [chain])
    dual = config.parse({"node_name": "node1", "networks": [V4, V6]})
    (found,) = surroundings.judge(dual, overlay)
    assert (found.code, found.subject) == (Code.OVERLAY_FORWARD_DROPPED, chain)
    assert found.parameters == {"accept": accept}
