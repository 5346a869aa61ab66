# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""macvlan's own: modes, and who reaches whom. What it shares with others is in cni/attach/test_interface.py."""

from __future__ import annotations

import subprocess
import time

import pytest


@pytest.fixture
def conf(host, outside):
    def make(**more):
        base = {"cniVersion": "1.1.0", "name": "net", "type": "macvlan", "master": "up0", "ipam": host.conf()["ipam"]}
        return {**base, **more}

    return make


@pytest.mark.parametrize("mode", ["bridge", "private", "vepa", "passthru", ""])
def test_mode(host, conf, failure, mode):
    pod = host.pod()
    result = host.call("macvlan", "ADD", conf(mode=mode), "c1", pod)
    assert pod.ip("link show dev eth0")[0]["linkinfo"]["info_data"]["mode"] == (mode or "bridge")
    host.call("macvlan", "CHECK", {**conf(mode=mode), "prevResult": result}, "c1", pod)
    other = "private" if mode != "private" else "vepa"
    with pytest.raises(failure, match="mode"):
        host.call("macvlan", "CHECK", {**conf(mode=other), "prevResult": result}, "c1", pod)


def test_pods_reach_each_other_and_the_network(host, conf, outside):
    pods = [host.pod(), host.pod()]
    for number, pod in enumerate(pods):
        host.call("macvlan", "ADD", conf(), f"c{number}", pod)
    for address in ("10.9.0.3", "fd09::3", "10.9.0.1", "fd09::1"):
        pods[0].run(f"ping -c 1 -W 2 {address}")
    outside.run("ping -c 1 -W 2 10.9.0.2")


def test_private_pods_reach_the_network_only(host, conf):
    pods = [host.pod(), host.pod()]
    for number, pod in enumerate(pods):
        host.call("macvlan", "ADD", conf(mode="private"), f"c{number}", pod)
    pods[0].run("ping -c 1 -W 2 10.9.0.1")
    assert pods[0].run("ping -c 1 -W 1 10.9.0.3", check=False).returncode


def test_passthru_takes_the_mac_address_that_is_asked_for(host, conf, failure):
    pod = host.pod()
    wanted = conf(mode="passthru", runtimeConfig={"mac": "02:00:00:00:00:77"})
    result = host.call("macvlan", "ADD", wanted, "c1", pod)
    assert pod.ip("link show dev eth0")[0]["address"] == "02:00:00:00:00:77"
    assert result["interfaces"][0]["mac"] == "02:00:00:00:00:77"
    with pytest.raises(failure, match="failed to create macvlan"):  # one pod alone can have the whole of it
        host.call("macvlan", "ADD", wanted, "c2", host.pod())
    assert host.state()["reserved"].count("10.9.0.3") == 0


def test_the_same_pod_has_the_same_mac_address_again(host, conf):
    macs = set()
    for _again in range(2):
        pod = host.pod()
        macs.add(host.call("macvlan", "ADD", conf(), "c1", pod)["interfaces"][0]["mac"])
        host.call("macvlan", "DEL", conf(), "c1", pod)
    assert len(macs) == 1


def test_broadcast_queue(host, conf):
    pod = host.pod()
    host.call("macvlan", "ADD", conf(bcqueuelen=200), "c1", pod)
    shown = pod.run("ip -d link show dev eth0").stdout
    assert "bcqueuelen 200" in shown


@pytest.mark.parametrize(
    ("key", "value"), [("mode", "l2"), ("bcqueuelen", -1), ("linkInContainer", "yes"), ("mtu", "x")]
)
def test_bad_configuration(host, conf, failure, key, value):
    with pytest.raises(failure, match="macvlan mode" if key == "mode" else key) as caught:
        host.call("macvlan", "ADD", conf(**{key: value}), "c1", host.pod())
    assert caught.value.code == 7


def frames(netns, command):
    """What arrives at the neighbor's link while a command runs, as tcpdump prints it."""
    words = ["ip", "netns", "exec", netns.name, "timeout", "5", "tcpdump", "-lnne", "-i", "up1", "arp or icmp6"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as dump:
        dump.stderr.readline()  # it listens
        time.sleep(0.3)
        command()
        time.sleep(1)
        dump.terminate()
        return dump.stdout.read()


def test_neighbors_learn_who_has_the_address(host, conf, outside):
    """A pod gets the addresses of one that is gone, with another MAC address."""
    first, second = host.pod(), host.pod()
    host.call("macvlan", "ADD", conf(), "c1", first)
    for address in ("10.9.0.2", "fd09::2"):
        outside.run(f"ping -c 1 -W 2 {address}")
    host.call("macvlan", "DEL", conf(), "c1", first)
    ipam = {"type": "static", "addresses": [{"address": "10.9.0.2/24"}, {"address": "fd09::2/64"}]}
    mac = "02:00:00:00:00:99"
    seen = frames(outside, lambda: host.call("macvlan", "ADD", conf(mac=mac, ipam=ipam), "c2", second))
    assert any(mac in line and "10.9.0.2" in line for line in seen.splitlines()), seen
    assert any(mac in line and "neighbor advertisement" in line and "fd09::2" in line for line in seen.splitlines()), (
        seen
    )
    for address in ("10.9.0.2", "fd09::2"):
        outside.run(f"ping -c 1 -W 1 {address}")


def test_addresses_that_come_later_are_announced_too(host, conf):
    """An interface without IPAM, as Go's plugin leaves it."""
    pod = host.pod()
    host.call("macvlan", "ADD", conf(ipam=None), "c1", pod)
    assert pod.run("sysctl -n net.ipv4.conf.eth0.arp_notify net.ipv6.conf.eth0.ndisc_notify").stdout.split() == [
        "1",
        "1",
    ]


def test_hosts_on_one_network_give_their_pods_different_mac_addresses(host, conf, alone):
    """The same network, container and interface names on two hosts of a LAN."""
    macs = []
    for name in ("node1", "node2", "node1"):
        host.bin_dir, host.prefix = str(alone), ("unshare", "--uts", "sh", "-c", f'hostname {name}; exec "$@"', "sh")
        pod = host.pod()
        macs.append(host.call("macvlan", "ADD", conf(), "c1", pod)["interfaces"][0]["mac"])
        host.call("macvlan", "DEL", conf(), "c1", pod)
    assert macs[0] == macs[2] != macs[1]
