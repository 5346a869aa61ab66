# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the kernel's events are a reason to reconcile: each is made as the kernel sends it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.monitor import Monitor
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import address, route
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.address import Address
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.route import Route

OWN, OTHER = 4711, 815
VXLAN, UNDERLAY = 7, 2
DEVICE = Address("flannel.1", "10.244.1.0/32")
PEER = Route("10.244.2.0/24", dev="flannel.1", gateway="10.244.2.0", onlink=True, protocol=112)


@pytest.fixture
def monitor():
    """Of a node whose overlay has an address and a peer's route."""
    found = Monitor({OWN})
    index = {each.key(): each for each in (DEVICE, PEER)}
    carrier = SimpleNamespace(device="eth0", mtu=1500, networks=[("192.0.2.0/24", "eth0")])
    observed = SimpleNamespace(
        names={UNDERLAY: "eth0", VXLAN: "flannel.1"}, addresses=[Address("eth0", "192.0.2.1/24", scope="global")]
    )
    found.watch(
        SimpleNamespace(
            observed=observed, desired=SimpleNamespace(device="flannel.1"), shared={},
            wanted=SimpleNamespace(carrier=carrier, index=index),
        )
    )  # fmt: skip
    yield found
    found.close()


def reasons(monitor: Monitor, *requests, port: int = OTHER, whole: bool = True) -> list[str]:
    """What the monitor says of the events that requests would cause."""
    events = [(request[0], port, request[2]) for request in requests]
    monitor.kernel.events = lambda: (events, whole)
    return monitor.read_kernel()


def peer_route(dst: str = "10.244.2.0/24", gateway: str = "10.244.2.0", protocol: int = 112):
    wanted = Route(dst, dev="flannel.1", gateway=gateway, onlink=True, protocol=protocol)
    return wanted.add({"flannel.1": VXLAN}.__getitem__)[0]


def test_what_is_as_it_should_be_is_no_reason(monitor):
    assert (
        reasons(monitor, peer_route(), address.add(VXLAN, "10.244.1.0/32"), address.add(UNDERLAY, "192.0.2.1/24")) == []
    )


def test_our_own_requests_are_no_reason(monitor):
    assert reasons(monitor, address.delete(VXLAN, "10.244.1.0/32"), port=OWN) == []


def test_objects_of_ours_that_go_or_change(monitor):
    gone = route.RTM_DELROUTE, 0, peer_route()[2]
    assert reasons(monitor, gone) == ["route 10.244.2.0/24 was deleted"]
    assert reasons(monitor, peer_route(gateway="10.244.9.0")) == ["route 10.244.2.0/24 was changed"]
    assert reasons(monitor, address.delete(VXLAN, "10.244.1.0/32")) == ["address flannel.1 10.244.1.0/32 was deleted"]


def test_an_unexpected_object_counts_where_it_is_ours_to_decide(monitor):
    assert reasons(monitor, peer_route("10.244.9.0/24")) == ["unexpected route 10.244.9.0/24"]
    assert reasons(monitor, peer_route("10.244.9.0/24", protocol=4)) == []
    assert reasons(monitor, address.add(VXLAN, "10.9.9.9/32")) == ["unexpected address flannel.1 10.9.9.9/32"]


def test_the_underlay_s_addresses_count(monitor):
    (new,) = reasons(monitor, address.add(UNDERLAY, "192.0.2.9/24"))
    (gone,) = reasons(monitor, address.delete(UNDERLAY, "192.0.2.1/24"))
    assert (
        new == "address eth0 192.0.2.9/24 was added or deleted"
        and gone == "address eth0 192.0.2.1/24 was added or deleted"
    )


def test_lost_and_unreadable_events_are_reasons(monitor):
    assert reasons(monitor, whole=False) == ["events were lost"]
    (unreadable,) = reasons(monitor, (address.RTM_NEWADDR, 0, b"\2"))
    assert unreadable.startswith("unreadable event of type 20 (")
