# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the elements of portmap's maps lead to the pods that publish the ports."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.nat import pods
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import NetlinkError
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import (
    Attachment,
    HostPort,
    HostPortMismatch,
)
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import hostports

WEB = HostPort("tcp", 8080, "", 80)


def attachment(address: str = "10.244.1.2", interface: str = "eth0", ports=(WEB,)) -> Attachment:
    return Attachment("shop/web", "c1", "podnet", interface, "/run/netns/web", [address, "fd00::2"], ports=list(ports))


@pytest.fixture
def elements(monkeypatch):
    """The kernel's elements by map and key: data and comment."""
    found: dict = {}

    def get(_channel, _table, name, key):
        return found.get((name, key))

    monkeypatch.setattr(hostports, "get_element", get)
    monkeypatch.setattr(hostports, "Channel", lambda _family: contextlib.nullcontext())
    return found


def publish(elements: dict, port: HostPort, pod: str, interface: str = "eth0", container: str = "c1", to: str = ""):
    name, key, _data = hostports._element(port, pod)
    _name, _key, data = hostports._element(port, to or pod)
    elements[name, key] = data, pods.owner_comment("podnet", container, interface)


def test_ports_that_lead_to_the_pod(elements):
    for address in ("10.244.1.2", "fd00::2"):
        publish(elements, WEB, address)
    assert hostports.mismatches([attachment()], "podnet") == []
    assert hostports.mismatches([attachment("10.244.9.9")], "another") == []


def test_a_missing_element_and_one_that_leads_elsewhere(elements):
    publish(elements, WEB, "10.244.1.2", container="c9", to="10.244.1.9")
    assert hostports.mismatches([attachment()], "podnet") == [
        HostPortMismatch("shop/web", "tcp", 8080, "10.244.1.9"),
        HostPortMismatch("shop/web", "tcp", 8080, ""),
    ]


def test_another_interface_of_the_pod_may_have_the_port(elements):
    for address, to in (("10.244.1.2", "10.244.1.7"), ("fd00::2", "fd00::7")):
        publish(elements, WEB, address, interface="net1", to=to)
    assert hostports.mismatches([attachment()], "podnet") == []


def test_a_port_of_one_address_is_of_its_ip_version(elements):
    port = HostPort("udp", 53, "192.0.2.1", 53)
    publish(elements, port, "10.244.1.2")
    assert hostports.mismatches([attachment(ports=[port, HostPort("icmp", 1, "", 1)])], "podnet") == []


def test_a_kernel_that_cannot_be_asked_shows_nothing(elements, monkeypatch):
    def refuse(_family):
        raise NetlinkError(1, "open", "Operation not permitted")

    monkeypatch.setattr(hostports, "Channel", refuse)
    assert hostports.mismatches([attachment()], "podnet") == []
