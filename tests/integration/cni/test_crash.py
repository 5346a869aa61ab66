# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed before any system call that changes something: DEL or GC leaves nothing, and the next ADD succeeds."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess

import pytest

#: What changes the kernel's or the store's state. sendto carries netlink.
CHANGING = ("link", "unlink", "symlink", "rename", "mkdir", "pwrite64", "ftruncate", "sendto", "write")
MOST = 40

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


def killed(host, command, conf, pod, syscall, number):
    """Whether the call was killed before its ``number``-th ``syscall``; False when it made fewer and succeeded."""
    words, env = host.command("flannel", command, "c1", pod)
    inject = f"inject={syscall}:signal=SIGKILL:when={number}"
    words = [*words[:3], "strace", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e", inject, *words[3:]]
    done = subprocess.run(words, input=json.dumps(conf), env=env, capture_output=True, text=True, check=False)
    if done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return True
    assert done.returncode == 0, done.stdout + done.stderr
    return False


@pytest.mark.parametrize("syscall", CHANGING)
def test_add_killed(host, conf, empty, syscall):
    pod = host.pod()
    for number in range(1, MOST):
        was_killed = killed(host, "ADD", conf, pod, syscall, number)
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


@pytest.mark.parametrize("syscall", ["unlink", "pwrite64", "sendto"])
def test_del_killed(host, conf, empty, syscall):
    pod = host.pod()
    for number in range(1, MOST):
        result = host.call("flannel", "ADD", conf, "c1", pod)
        told = {**conf, "prevResult": result}
        was_killed = killed(host, "DEL", told, pod, syscall, number)
        if was_killed:
            host.call("flannel", "DEL", told, "c1", pod)
        assert host.state() == empty, f"killed before {syscall} number {number}"
        if not was_killed:
            break
    else:
        pytest.fail(f"still making {syscall} after {MOST} times")
    assert number > 1, f"DEL makes no {syscall}: the list is out of date"
