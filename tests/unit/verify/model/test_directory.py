# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a name or an address to an endpoint."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.prefix import parse_prefix
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.directory import Directory
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import Endpoint, EndpointError

WEB = Endpoint("pod", "shop/web", "10.244.1.2", "node1")
OTHER = Endpoint("pod", "test/web", "10.244.2.2", "node2")
SERVICE = Endpoint("service", "shop/api", "10.96.0.10")
NODE = Endpoint("node", "node1", "192.0.2.1", "node1")


@pytest.fixture
def directory():
    found = Directory("a pod", blocks=[(parse_prefix("10.244.3.0/24"), "node3")])
    found.add(WEB, "10.244.1.2", "fd00::2")
    for each in (OTHER, SERVICE, NODE):
        found.add(each)
    return found


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("shop/web", WEB), ("api", SERVICE), ("node1", NODE), ("10.244.2.2", OTHER),
        ("fd00:0::2", Endpoint("pod", "shop/web", "fd00::2", "node1")),
        ("10.244.3.9", Endpoint("pod", "10.244.3.9", "10.244.3.9", "node3")),
        ("198.51.100.1", Endpoint("outside", "198.51.100.1", "198.51.100.1")),
    ],
)  # fmt: skip
def test_names_and_addresses(directory, text, endpoint):
    assert directory.resolve(text) == endpoint


def test_of_several_with_one_address_the_first_stays(directory):
    directory.hold(Endpoint("node", "node9", "10.244.1.2", "node9"))
    assert directory.at("10.244.1.2") == WEB


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("web", r"web: is ambiguous \(pod shop/web, pod test/web\)"),
        ("shop", "shop: is neither an address nor the name of a pod"),
        ("", ": is neither an address"),
        ("10.244.1", "is neither an address"),
    ],
)
def test_what_names_nothing_or_several_is_refused(directory, text, reason):
    with pytest.raises(EndpointError, match=reason):
        directory.resolve(text)
