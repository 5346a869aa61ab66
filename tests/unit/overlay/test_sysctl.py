# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sysctls of the tunnel's device."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import sysctl
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import parse


def config(*networks):
    return parse({"node_name": "node1", "networks": list(networks)})


def test_forwarding_of_the_ip_versions_that_pods_have():
    assert sysctl.wanted(config("10.244.0.0/16")) == {"net.ipv4.ip_forward": "1"}
    both = sysctl.wanted(config("10.244.0.0/16", "fd00:244::/48"))
    assert both == {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}


def test_a_device_whose_name_has_a_dot():
    found = sysctl.of_device(config("10.244.0.0/16", "fd00:244::/48"), "flannel.1")
    assert found == {"net.ipv4.conf.flannel/1.rp_filter": "2", "net.ipv6.conf.flannel/1.accept_ra": "0"}


@pytest.mark.parametrize(
    ("everywhere", "device", "strict"),
    [("0", "1", True), ("1", "0", True), ("1", "2", False), ("2", "1", False), ("0", None, False)],
)
def test_the_larger_of_two_filters_holds(monkeypatch, everywhere, device, strict):
    """ip-sysctl: the maximum of "all" and the interface's."""
    values = {sysctl.rp_filter("all"): everywhere, sysctl.rp_filter("eth0"): device}
    monkeypatch.setattr(sysctl, "read", values.get)
    assert sysctl.strict_reverse_path("eth0") is strict
