# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod has the addresses and routes that its result tells, whoever advertises others."""

from __future__ import annotations

import subprocess
import time

import pytest
from frames import advertisement, frame, send

ROGUE, PREFIX = "fe80::bad", "2001:db8:bad::"


def believes(pod, dev="eth0"):
    """Whether the pod, or a host, has taken an address or a route from the advertisement."""
    return any(
        PREFIX[:-1] in pod.run(f"ip -6 {what} show dev {dev}").stdout
        or ROGUE in pod.run(f"ip -6 {what} show dev {dev}").stdout
        for what in ("address", "route")
    )


def advertise(netns, dev):
    """As a pod or a neighbour can."""
    mac = netns.ip(f"link show dev {dev}")[0]["address"]
    send(netns, frame(mac, "33:33:00:00:00:01", advertisement(ROGUE, PREFIX)), dev)
    time.sleep(0.3)


@pytest.fixture
def rogue(host, make_netns):
    """A host on the network of the host's interface up0."""
    netns = make_netns()
    host.netns.run(f"ip link add up0 type veth peer name up1 netns {netns.name}")
    host.netns.run("ip link set up0 up")
    netns.run("ip link set up1 up")
    return netns


def ranges(*subnets):
    return {"ranges": [[{"subnet": subnet}] for subnet in subnets]}


@pytest.mark.parametrize("subnets", [("10.9.0.0/24",), ("10.9.0.0/24", "fd09::/64"), ("fd09::/64",)])
@pytest.mark.defect("bridge: pods take addresses and routes from other pods' router advertisements")
def test_another_pod_is_no_router(host, way, subnets):
    """Nor is it one to the host; a namespace of the same kernel that was given nothing believes it."""
    conf = host.conf(isDefaultGateway=True, ipam={**host.conf()["ipam"], **ranges(*subnets)})
    pods = [host.pod() for _number in range(2)]
    for number, pod in enumerate(pods):
        host.call("bridge", "ADD", conf, f"c{number}", pod)
    naive = host.make_netns()
    host.netns.run(f"ip link add port type veth peer name eth0 netns {naive.name}")
    host.netns.run("ip link set port master br0 up")
    naive.run("ip link set eth0 up")
    time.sleep(2)  # it must have a link-local address
    advertise(pods[0], "eth0")
    assert believes(naive)
    assert not believes(pods[1]) and not believes(host.netns, "br0")


@pytest.mark.parametrize("plugin", ["macvlan", "ipvlan", "bridge"])
def test_a_neighbour_on_the_lan_is_no_router(host, way, rogue, plugin, needs):
    needs(plugin)
    conf = {**host.conf(type=plugin, isGateway=None), "master": "up0"}
    if plugin == "bridge":
        host.netns.run("ip link add br0 type bridge")
        host.netns.run("ip link set up0 master br0")
        host.netns.run("ip link set br0 up")
    pod = host.pod()
    result = host.call(plugin, "ADD", conf, "c1", pod)
    advertise(rogue, "up1")
    assert not believes(pod)
    host.call(plugin, "CHECK", {**conf, "prevResult": result}, "c1", pod)


@pytest.mark.parametrize("plugin", ["host-device", "ptp", "bridge"])
def test_nor_while_its_addresses_are_awaited(host, way, rogue, tmp_path, plugin):
    """dhcp, and IPAM plugins of others, need the link to be up before it has addresses."""
    foreign = tmp_path / "by-link"
    foreign.write_text(
        "#!/bin/sh\n"
        'if [ "$CNI_COMMAND" = ADD ]; then\n'
        f'  nsenter --net="$CNI_NETNS" ip link show dev "$CNI_IFNAME" >{tmp_path}/link\n'
        f'  nsenter --net="$CNI_NETNS" cat "/proc/sys/net/ipv6/conf/$CNI_IFNAME/accept_ra" >{tmp_path}/accepts\n'
        """  echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.9.0.7/24", "gateway": "10.9.0.1"}]}'\n"""
        "fi\n"
    )
    foreign.chmod(0o755)
    conf = host.conf(type=plugin, ipam={"type": "by-link"}, device="up0", isGateway=None)
    pod = host.pod()
    host.call(plugin, "ADD", conf, "c1", pod, path=f"{host.bin_dir}:{tmp_path}")
    assert ",UP" in (tmp_path / "link").read_text()
    assert (tmp_path / "accepts").read_text() == "0\n"


def test_before_it_is_up(host, way):
    """An advertisement that arrives with the link's first moment is none either: one is sent all the time."""
    conf = host.conf(isDefaultGateway=True)
    first = host.pod()
    host.call("bridge", "ADD", conf, "c0", first)
    script = (
        "import sys, socket, time\n"
        "raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); raw.bind(('eth0', 0))\n"
        "data = bytes.fromhex(sys.argv[1])\n"
        "while True: raw.send(data); time.sleep(0.0005)"
    )
    mac = first.ip("link show dev eth0")[0]["address"]
    data = frame(mac, "33:33:00:00:00:01", advertisement(ROGUE, PREFIX)).hex()
    with first.entered():
        sender = subprocess.Popen(["python3", "-c", script, data])
    try:
        for number in range(5):
            pod = host.pod()
            host.call("bridge", "ADD", conf, f"c{number + 1}", pod)
            assert not believes(pod)
    finally:
        sender.kill()
        sender.wait()
