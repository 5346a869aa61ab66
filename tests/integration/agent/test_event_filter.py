# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel tells podnetd's socket through its filter, of what iproute2 and sysctl change."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent import event_filter
from ansible_collections.podnet.cluster.plugins.module_utils.agent.monitor import GROUPS
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import bpf, link, neighbour, route
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.address import RTM_DELADDR, RTM_NEWADDR
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel

POD = """
link add cni0 up type bridge
link add name vethpod up type veth peer name eth0 netns {pod}
link set vethpod master cni0
neigh replace 192.0.2.7 lladdr 02:00:00:00:00:07 dev cni0 nud reachable
route add local 192.0.2.8 dev cni0 table local
route add 192.0.2.0/28 dev cni0 table 100
link delete vethpod
link delete cni0
"""


@pytest.fixture
def told(netns, make_netns):
    """A function that carries out lines of ip's in the namespace, whose overlay has the device device0: the events that
    came of them, the type of each and whether it is of the pod's link."""
    netns.run("ip link add device0 up type bridge")
    netns.run("ip link add other0 up type bridge")
    (device,) = netns.ip("link show dev device0")
    pod = make_netns()
    with netns.entered():
        channel = Channel()
    for group in GROUPS:
        channel.subscribe(group)

    def of(lines: str, program: bytes) -> list[tuple[int, bool]]:
        bpf.attach(channel.socket, program)
        for line in lines.format(pod=pod.name).strip().splitlines():
            netns.run(line if line.startswith("sysctl") else f"ip {line}")
        events, whole = channel.events()
        assert whole
        return [(kind, b"vethpod" in payload) for kind, _port, payload in events]

    of.device = device["ifindex"]
    yield of
    channel.close()


def test_nothing_of_a_pod_s_link_is_told(told):
    found = told(POD, event_filter.program(told.device, pods_links=False))
    ours = {link.RTM_NEWLINK, link.RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR, route.RTM_NEWROUTE, route.RTM_DELROUTE}
    assert {kind for kind, _pod in found} <= ours  # of cni0 itself
    assert not any(pod for _kind, pod in found)
    with_pods = told(POD, event_filter.program(told.device, pods_links=True))
    assert {(link.RTM_NEWLINK, True), (link.RTM_DELLINK, True)} <= set(with_pods)
    kinds = {kind for kind, _pod in told(POD, event_filter.ALL)}
    assert {neighbour.RTM_NEWNEIGH, event_filter.RTM_NEWNETCONF, event_filter.RTM_DELNETCONF} <= kinds


@pytest.mark.parametrize(
    "line, kind",
    [
        ("link set device0 mtu 1400", link.RTM_NEWLINK),
        ("link add name flannel.1 type bridge", link.RTM_NEWLINK),
        ("link delete other0", link.RTM_DELLINK),
        ("address add 192.0.2.1/24 dev other0", RTM_NEWADDR),
        ("route add 192.0.2.0/24 dev device0", route.RTM_NEWROUTE),
        ("neigh replace 192.0.2.7 lladdr 02:00:00:00:00:07 dev device0 nud permanent", neighbour.RTM_NEWNEIGH),
        ("sysctl -q net.ipv4.conf.device0.rp_filter=1", event_filter.RTM_NEWNETCONF),
        ("sysctl -q net.ipv4.ip_forward=0\nsysctl -q net.ipv4.ip_forward=1", event_filter.RTM_NEWNETCONF),
    ],
)
def test_what_concerns_the_overlay_is_told(told, line, kind):
    assert (kind, False) in told(line, event_filter.program(told.device, pods_links=False))


@pytest.mark.parametrize(
    "line",
    [
        "neigh replace 192.0.2.7 lladdr 02:00:00:00:00:07 dev other0 nud permanent",
        "sysctl -q net.ipv4.conf.other0.rp_filter=1",
        "route add 192.0.2.0/24 dev device0 table 100",
    ],
)
def test_the_same_of_others_is_not(told, line):
    assert told(line, event_filter.program(told.device, pods_links=False)) == []
    assert told(line.replace("192.0.2", "198.51.100").replace("filter=1", "filter=2"), event_filter.ALL)
