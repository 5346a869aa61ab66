# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of IPv6 alone: two nodes, kube-proxy in nftables mode. tests/repository has one of both IP versions."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Iterator

import pytest
from userlab import ROOT, Lab

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The cluster, from nothing to nothing."""
    if os.geteuid():
        pytest.skip("a lab is made as root")
    lab = Lab("six", ROOT / "build/families", nodes=2)
    variables = {"lab_network": "10.84.0.0/24", "lab_nodes": 2, "lab_suites": ["bookworm", "trixie"]}
    variables |= {"lab_family": "ipv6", "lab_variables": {"control_plane_kube_proxy_mode": "nftables"}}
    try:
        lab.lab("up", "-e", json.dumps(variables))
        lab.play("site")
        yield lab
    finally:
        lab.lab("down")


def test_everything_reaches_everything(lab):
    """Pods, nodes, the Service by its name and its address, node ports and host ports."""
    assert lab.verify()["ok"]


def test_all_addresses_are_of_ipv6(lab):
    pods, services = lab.objects("pods", "--all-namespaces"), lab.objects("services", "--all-namespaces")
    addresses = [address["ip"] for pod in pods for address in pod["status"]["podIPs"]]
    addresses += [address for service in services for address in service["spec"]["clusterIPs"]]
    assert {ipaddress.ip_address(address).version for address in addresses} == {6}
    assert len(pods) > len(lab.names)


def test_kube_proxy_s_rules_are_of_nftables(lab):
    for name in lab.names:
        assert "podnet-verify/any" in lab.node(name, "nft list map ip6 kube-proxy service-ips")


def test_the_second_run_changes_nothing(lab):
    run = lab.play("site")
    assert run.changed == {}, run.changed_tasks
