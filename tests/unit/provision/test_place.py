# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the cluster's address is on a node."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.provision.place import place


@pytest.mark.parametrize(
    ("address", "interface", "found"),
    [
        (None, None, ("10.0.2.15", "eth0")),
        (None, "eth1", ("192.168.56.11", "eth1")),
        ("192.168.56.11", None, ("192.168.56.11", "eth1")),
        ("fd00:0::11", "eth1", ("fd00:0::11", "eth1")),
    ],
)
def test_place(vagrant, address, interface, found):
    assert place("n", vagrant, address, interface) == (*found, [], (found[0],))


@pytest.mark.parametrize(
    ("address", "versions", "addresses"),
    [
        (None, [6], ("fd00::11",)),
        (None, [4, 6], ("192.168.56.11", "fd00::11")),
        (None, [6, 4], ("fd00::11", "192.168.56.11")),
        ("192.168.56.11", [4, 6], ("192.168.56.11", "fd00::11")),
    ],
)
def test_an_address_of_each_ip_version(vagrant, address, versions, addresses):
    assert place("n", vagrant, address, "eth1", versions) == (addresses[0], "eth1", [], addresses)


def test_an_interface_without_an_address_of_the_other_ip_version(vagrant):
    found = place("n", vagrant, None, "eth0", [4, 6])
    assert found.addresses == ("10.0.2.15",)
    (finding,) = found.findings
    assert (finding.code, finding.subject) == (Code.LINK_WITHOUT_IP_VERSION, "eth0")
    assert finding.parameters["version"] == 6


@pytest.mark.parametrize(
    ("address", "interface", "codes", "subject"),
    [
        ("192.168.56.99", None, [Code.ADDRESS_MISSING], "192.168.56.99"),
        (None, "eth9", [Code.LINK_MISSING], "eth9"),
        (None, "eth2", [Code.LINK_DOWN, Code.LINK_WITHOUT_ADDRESS], "eth2"),
        ("10.0.2.15", "eth1", [Code.ADDRESS_ELSEWHERE], "10.0.2.15"),
        ("169.254.7.7", None, [Code.ADDRESS_NOT_ROUTABLE], "169.254.7.7"),
        (None, "lo", [Code.ADDRESS_NOT_ROUTABLE], "127.0.0.1"),
    ],
)
def test_a_place_that_is_wrong(vagrant, address, interface, codes, subject):
    findings = place("n", vagrant, address, interface).findings
    assert [each.code for each in findings] == codes
    assert {(each.node, each.subject) for each in findings} == {("n", subject)}


def test_what_the_node_has_is_told(vagrant):
    (finding,) = place("n", vagrant, None, "eth9").findings
    assert "eth1 (fd00::11/64 192.168.56.11/24)" in finding.parameters["found"]
    assert "eth2 (no address)" in finding.parameters["found"]


def test_no_default_route_and_nothing_given(vagrant):
    (finding,) = place("n", {**vagrant, "default_interface": None}, None, None).findings
    assert finding.code == Code.ROUTE_DEFAULT_MISSING
