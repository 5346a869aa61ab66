# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed before any system call that changes something: DEL or GC leaves nothing, and the next ADD succeeds.

What a kill leaves depends on the step and not on who took it. So it is every step of every plugin for the executable
that works by itself; and for the service's worker, those of the default chain that change the most. All other calls are
the service's: they are quick, and whatever the one way leaves, the other clears away.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import launcher

#: What changes the kernel's or the store's state. sendto carries netlink.
CHANGING = ("link", "unlink", "symlink", "rename", "mkdir", "pwrite64", "ftruncate", "sendto", "write")
#: More than any call makes. A DEL on a busy machine reads lists again, and so receives more often than on one at rest.
MOST = 150
#: Who is killed, and before which system call.
ADDS = [*[("alone", syscall) for syscall in CHANGING], ("service", "sendto"), ("service", "link")]
DELS = [("alone", syscall) for syscall in ("unlink", "pwrite64", "sendto", "recvfrom")]
DELS += [("service", "sendto"), ("service", "unlink")]

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")


@pytest.fixture
def conf(host, tmp_path):
    """Everything at once: bridge, both families, masquerade, a host port."""
    file = tmp_path / "subnet.env"
    file.write_text(
        "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\n"
        "FLANNEL_IPV6_NETWORK=fd44::/48\nFLANNEL_IPV6_SUBNET=fd44:0:0:3::1/64\n"
        "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n"
    )
    return {
        "cniVersion": "1.1.0",
        "name": "podnet",
        "type": "flannel",
        "subnetFile": str(file),
        "dataDir": str(tmp_path / "flannel"),
        "delegate": {"hairpinMode": True, "isDefaultGateway": True},
        "ipam": {"dataDir": str(host.data)},
        "runtimeConfig": {"portMappings": [{"hostPort": 5353, "containerPort": 53, "protocol": "udp"}]},
    }


@pytest.fixture
def killed(host, way, request):
    """A function that makes a call and kills who works for it before its ``number``-th ``syscall``.

    It tells whether that happened: False when there were fewer, and the call succeeded.
    """
    host.service = request.getfixturevalue("service" if way == "service" else "served")
    host.bin_dir = str(host.service.bin_dir)

    def run(command, conf, pod, syscall, number):
        words, env = host.command(conf["type"], command, "c1", pod)
        inject = f"inject={syscall}:signal=SIGKILL:when={number}"
        strace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e", inject]
        if way == "alone":
            executable = request.getfixturevalue("alone") / conf["type"]
            words = [*words[:3], *strace, executable]
            env["CNI_PATH"] = str(executable.parent)
        else:
            workers = host.service.workers()
            tracer = subprocess.Popen([*strace, *[f"-p{worker}" for worker in workers]])
            while any(state(worker, "TracerPid") == "0" for worker in workers):
                assert tracer.poll() is None
                time.sleep(0.005)
        done = subprocess.run(words, input=json.dumps(conf), env=env, capture_output=True, text=True, check=False)
        if way == "service":
            died = done.stderr == launcher.DIED.decode() or any(state(worker) in "Z" for worker in workers)
            tracer.terminate()
            tracer.wait()
            if died:
                return True
        elif done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
            return True
        assert done.returncode == 0, done.stdout + done.stderr
        return False

    return run


def state(pid, field="State"):
    """What the kernel says of a process, in short; empty when there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return ""
    return next(line.split()[1] for line in lines if line.startswith(f"{field}:"))


@pytest.mark.parametrize(("way", "syscall"), ADDS, indirect=["way"])
def test_add_killed(host, killed, conf, empty, syscall):
    pod = host.pod()
    for number in range(1, MOST):
        was_killed = killed("ADD", conf, pod, syscall, number)
        if number % 2:
            host.call("flannel", "DEL", conf, "c1", pod)
        else:
            host.call("flannel", "GC", {**conf, "cni.dev/valid-attachments": []})
            host.netns.run("ip neighbour flush dev cni0", check=False)  # GC is told nothing of addresses
        assert host.state() == empty, f"killed before {syscall} number {number}"
        assert [link["ifname"] for link in pod.ip("link")] == ["lo"]
        if not was_killed:
            break
    else:
        pytest.fail(f"still making {syscall} after {MOST} times")
    assert number > 1, f"ADD makes no {syscall}: the list is out of date"
    result = host.call("flannel", "ADD", conf, "c2", pod)
    host.call("flannel", "CHECK", {**conf, "prevResult": result}, "c2", pod)


@pytest.mark.parametrize(("way", "syscall"), DELS, indirect=["way"])
def test_del_killed(host, killed, conf, empty, syscall):
    pod = host.pod()
    for number in range(1, MOST):
        result = host.call("flannel", "ADD", conf, "c1", pod)
        told = {**conf, "prevResult": result}
        was_killed = killed("DEL", told, pod, syscall, number)
        if was_killed:
            host.call("flannel", "DEL", told, "c1", pod)
        assert host.state() == empty, f"killed before {syscall} number {number}"
        if not was_killed:
            break
    else:
        pytest.fail(f"still making {syscall} after {MOST} times")
    assert number > 1, f"DEL makes no {syscall}: the list is out of date"


ALONE = pytest.mark.parametrize("way", ["alone"], indirect=True)
#: Plugins that give a pod an interface, with their own keys. Their addresses are host-local's, as above.
INTERFACES = {
    "ptp": {"ipMasq": True},
    "macvlan": {"master": "up0"},
    "ipvlan": {"master": "up0"},
    "vlan": {"master": "up0", "vlanId": 5},
    "dummy": {},
    "tap": {"owner": 1000, "multiQueue": True},
    "host-device": {"device": "up0"},
    "bridge, macspoofchk": {"bridge": "br0", "macspoofchk": True},
    "bridge, vlan": {"bridge": "br0", "vlan": 100},
}
#: Kinds of links that not every kernel has.
NEEDED = {"ipvlan": "ipvlan", "vlan": "vlan", "dummy": "dummy", "bridge, vlan": "vlan"}


def params(names):
    return [pytest.param(name, marks=pytest.mark.needs) if name in NEEDED else name for name in names]


@pytest.fixture
def interface(request, host):
    """The configuration of such a plugin, on a host with an interface to use."""
    if request.param in NEEDED:
        request.getfixturevalue("needs")(NEEDED[request.param])
    host.netns.run("ip link add up0 type veth peer name up1")
    host.netns.run("ip link set up0 alias uplink")
    plugin = request.param.partition(",")[0]
    if plugin == "vlan":  # it is as up as the interface that it stands on
        host.netns.run("ip link set up0 up")
    return {**host.conf(isGateway=None, bridge=None), "type": plugin, **INTERFACES[request.param]}


def is_as_before(host, pod, before):
    """Nothing is left, and what was lent is back."""
    assert host.state() == before
    assert [link["ifname"] for link in pod.ip("link")] == ["lo"]
    assert host.netns.ip("link show dev up0")[0]["ifalias"] == "uplink"


def steps():
    """Every plugin with what carries its changes: netlink, and tap's ioctls."""
    found = [(name, "sendto") for name in INTERFACES] + [("tap", "ioctl")]
    return [pytest.param(*item, marks=pytest.mark.needs) if item[0] in NEEDED else item for item in found]


@ALONE
@pytest.mark.parametrize(("interface", "syscall"), steps(), indirect=["interface"])
def test_add_of_an_interface_killed(host, killed, interface, syscall):
    """GC frees the address and what is on the host; DEL the rest, which is in the pod."""
    pod, before, plugin = host.pod(), host.state(), interface["type"]
    for number in range(1, MOST):
        was_killed = killed("ADD", interface, pod, syscall, number)
        if number % 2:
            host.call(plugin, "GC", {**interface, "cni.dev/valid-attachments": []})
            assert host.state()["reserved"] == before["reserved"], f"killed before {syscall} number {number}"
        host.call(plugin, "DEL", interface, "c1", pod)
        is_as_before(host, pod, before)
        if not was_killed:
            break
    else:
        pytest.fail(f"still making {syscall} after {MOST} times")
    assert number > 1, f"ADD makes no {syscall}: the list is out of date"
    result = host.call(plugin, "ADD", interface, "c2", pod)
    host.call(plugin, "CHECK", {**interface, "prevResult": result}, "c2", pod)


@ALONE
@pytest.mark.parametrize("interface", params(INTERFACES), indirect=True)
def test_del_of_an_interface_killed(host, killed, interface):
    pod, before, plugin = host.pod(), host.state(), interface["type"]
    for number in range(1, MOST):
        told = {**interface, "prevResult": host.call(plugin, "ADD", interface, "c1", pod)}
        was_killed = killed("DEL", told, pod, "sendto", number)
        if was_killed:
            host.call(plugin, "DEL", told, "c1", pod)
        is_as_before(host, pod, before)
        if not was_killed:
            break
    else:
        pytest.fail(f"still making sendto after {MOST} times")
    assert number > 1, "DEL makes no sendto: the list is out of date"


@ALONE
@pytest.mark.parametrize("plugin", ["sbr", pytest.param("vrf", marks=pytest.mark.needs)])
@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_chained_plugin_killed(request, host, killed, plugin, command):
    """Its DEL, then that of the plugin before it; the pod has no rule, no table and no VRF of theirs."""
    if plugin == "vrf":
        request.getfixturevalue("needs")("vrf")
    pod = host.pod()
    first = {"cniVersion": "1.1.0", "name": "net", "type": "ptp", "ipam": host.conf()["ipam"]}
    second = {"cniVersion": "1.1.0", "name": "net", "type": plugin, "vrfname": "blue"}
    rules = pod.ip("rule")
    for number in range(1, MOST):
        told = {**second, "prevResult": host.call("ptp", "ADD", first, "c1", pod)}
        if command == "DEL":
            host.call(plugin, "ADD", told, "c1", pod)
        was_killed = killed(command, told, pod, "sendto", number)
        host.call(plugin, "DEL", told, "c1", pod)
        assert [link["ifname"] for link in pod.ip("link")] == ["lo", "eth0"], f"killed before sendto number {number}"
        assert [item for item in pod.ip("rule") if item["priority"] != 1000] == rules  # a VRF brings its own
        host.call("ptp", "DEL", first, "c1", pod)
        if not was_killed:
            break
    else:
        pytest.fail(f"still making sendto after {MOST} times")
    assert number > 1, f"{command} makes no sendto: the list is out of date"
    told = {**second, "prevResult": host.call("ptp", "ADD", first, "c2", pod)}
    host.call(plugin, "ADD", told, "c2", pod)
    host.call(plugin, "CHECK", told, "c2", pod)
