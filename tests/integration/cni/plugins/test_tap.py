# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tap's own: who may open it, its queues, its bridge. What it shares with others is in cni/attach/test_interface.py."""

from __future__ import annotations

import os

import pytest

#: Opens the pod's tap as somebody else, and says how that went.
OPEN = """
import fcntl, os, struct, sys
user, group, flags = map(int, sys.argv[1:])
file = os.open("/dev/net/tun", os.O_RDWR)
os.setgroups([group]); os.setresgid(group, group, group); os.setresuid(user, user, user)
fcntl.ioctl(file, 0x400454CA, struct.pack("16sH22x", b"eth0", flags))  # TUNSETIFF
print(fcntl.ioctl(file, 0x800454D2, bytes(40))[16:18].hex())  # TUNGETIFF
"""
TAP, NO_PI, MULTI_QUEUE = 0x2, 0x1000, 0x100


@pytest.fixture
def conf(host):
    def make(**more):
        return {"cniVersion": "1.1.0", "name": "net", "type": "tap", "ipam": host.conf()["ipam"], **more}

    return make


def opened(pod, user, group, flags=TAP | NO_PI):
    return pod.run("/usr/bin/python3", "-c", OPEN, str(user), str(group), str(flags), check=False)


def test_owner_and_group(host, conf, failure):
    pod = host.pod()
    wanted = conf(owner=1234, group=5678)
    result = host.call("tap", "ADD", wanted, "c1", pod)
    shown = pod.ip("link show dev eth0")[0]["linkinfo"]["info_data"]
    assert (shown["type"], shown["user"], shown["group"], shown["persist"]) == ("tap", 1234, 5678, True)
    assert opened(pod, 1234, 5678).returncode == 0
    assert "Operation not permitted" in opened(pod, 4321, 8765).stderr
    host.call("tap", "CHECK", {**wanted, "prevResult": result}, "c1", pod)
    with pytest.raises(failure, match="owner 1234, not 1"):
        host.call("tap", "CHECK", {**conf(owner=1, group=5678), "prevResult": result}, "c1", pod)
    with pytest.raises(failure, match="group 5678, not None"):
        host.call("tap", "CHECK", {**conf(owner=1234), "prevResult": result}, "c1", pod)


def test_nobody_owns_it_by_default(host, conf):
    pod = host.pod()
    result = host.call("tap", "ADD", conf(), "c1", pod)
    shown = pod.ip("link show dev eth0")[0]["linkinfo"]["info_data"]
    assert "user" not in shown
    assert "group" not in shown
    host.call("tap", "CHECK", {**conf(), "prevResult": result}, "c1", pod)


@pytest.mark.parametrize("queues", [True, False])
def test_queues(host, conf, queues):
    pod = host.pod()
    wanted = conf(multiQueue=queues)
    result = host.call("tap", "ADD", wanted, "c1", pod)
    assert pod.ip("link show dev eth0")[0]["linkinfo"]["info_data"]["multi_queue"] is queues
    assert (opened(pod, 0, 0, TAP | NO_PI | MULTI_QUEUE).returncode == 0) == queues
    assert (opened(pod, 0, 0).returncode == 0) == (not queues)
    host.call("tap", "CHECK", {**wanted, "prevResult": result}, "c1", pod)


def test_port_of_a_bridge_in_the_pod(host, conf, failure):
    pod = host.pod()
    wanted = conf(bridge="inner", ipam={})
    with pytest.raises(failure, match="failed to get bridge inner"):
        host.call("tap", "ADD", wanted, "c1", pod)
    assert [item["ifname"] for item in pod.ip("link")] == ["lo"]
    pod.run("ip link add inner type bridge")
    result = host.call("tap", "ADD", wanted, "c1", pod)
    assert pod.ip("link show dev eth0")[0]["master"] == "inner"
    host.call("tap", "CHECK", {**wanted, "prevResult": result}, "c1", pod)
    pod.run("ip link set eth0 nomaster")
    with pytest.raises(failure, match="not a port of inner"):
        host.call("tap", "CHECK", {**wanted, "prevResult": result}, "c1", pod)


@pytest.mark.skipif(os.path.exists("/sys/fs/selinux/enforce"), reason="this host has SELinux, which knows other labels")
def test_label_without_selinux(host, conf, failure, empty):
    pod = host.pod()
    with pytest.raises(failure, match="selinuxContext needs a host with SELinux") as caught:
        host.call("tap", "ADD", conf(selinuxContext="system_u:system_r:container_t:s0"), "c1", pod)
    assert caught.value.code == 7
    assert host.state() == empty
    assert [item["ifname"] for item in pod.ip("link")] == ["lo"]


@pytest.mark.parametrize(("key", "value"), [("owner", -1), ("group", "users"), ("multiQueue", 2), ("bridge", 1)])
def test_bad_configuration(host, conf, failure, key, value):
    with pytest.raises(failure, match=key) as caught:
        host.call("tap", "ADD", conf(**{key: value}), "c1", host.pod())
    assert caught.value.code == 7
