# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The classical chains: all in one conflist, by the runtime's command; and each link of the chain killed anywhere."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess

import pytest

#: What changes the kernel's state or a file. sendto carries netlink.
CHANGING = ("sendto", "write", "mkdir", "rename", "unlink")
MOST = 40
PORTS = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
BANDWIDTH = {"ingressRate": 8_000_000, "ingressBurst": 160_000, "egressRate": 8_000_000, "egressBurst": 160_000}


@pytest.fixture
def links(host, tmp_path):
    """The chain's plugins after the first."""
    return [
        {"type": "tuning", "dataDir": str(tmp_path / "notes"), "sysctl": {"net.core.somaxconn": "500"}, "mtu": 1400},
        {"type": "bandwidth", "capabilities": {"bandwidth": True}},
        {"type": "firewall", "ingressPolicy": "same-bridge"},
        {
            "type": "portmap",
            "capabilities": {"portMappings": True},
            "conditionsV4": ["!", "-d", "192.0.2.1"],
            "conditionsV6": ["!", "-d", "fd99::1"],
        },
    ]


@pytest.fixture
def flannel(tmp_path):
    """flannel with all that it hands to its delegate, in place of the bridge."""
    file = tmp_path / "subnet.env"
    file.write_text(
        "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
    )
    delegate = {"isDefaultGateway": True, "hairpinMode": True, "macspoofchk": True, "portIsolation": True, "mtu": 1420}
    return {"type": "flannel", "subnetFile": str(file), "delegate": delegate}


def run(host, tmp_path, command, pod, plugins, version="1.1.0"):
    """A verb of podnet-cni on the host, and what it printed."""
    directory = tmp_path / "net.d"
    directory.mkdir(exist_ok=True)
    (directory / "net.conflist").write_text(json.dumps({"cniVersion": version, "name": "net", "plugins": plugins}))
    env = {
        **os.environ,
        "CNI_PATH": host.bin_dir,
        "NETCONFPATH": str(directory),
        "CAP_ARGS": json.dumps({"portMappings": PORTS, "bandwidth": BANDWIDTH}),
    }
    words = ["nsenter", f"--net={host.netns.path}", "--", f"{host.bin_dir}/podnet-cni"]
    words += ["--cache", str(tmp_path / "cache"), command, "net", *([] if command == "status" else [pod.path])]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.mark.parametrize(("first", "version"), [("bridge", "0.4.0"), ("bridge", "1.1.0"), ("flannel", "1.0.0")])
def test_everything_in_one_list(host, links, flannel, tmp_path, needs, empty, first, version):
    needs("ifb")
    start = {**flannel, "ipam": {"dataDir": str(host.data)}} if first == "flannel" else host.conf(isDefaultGateway=True)
    start = {key: value for key, value in start.items() if key not in ("cniVersion", "name")}
    pod = host.pod()
    result = run(host, tmp_path, "add", pod, [start, *links], version)
    assert result["cniVersion"] == version
    names = [item["name"] for item in result["interfaces"]]
    assert names[2] == "eth0"
    assert names[3].startswith("ifb")
    assert pod.ip("link show dev eth0")[0]["mtu"] == 1400
    assert pod.sysctl("net.core.somaxconn") == "500"
    text = host.netns.run("nft list ruleset").stdout
    for words in ("tcp . 8080", "firewall_pods4", "ingress_members"):
        assert words in text
    assert ("table bridge podnet" in text) == (first == "flannel")
    run(host, tmp_path, "check", pod, [start, *links], version)
    if version == "1.1.0":
        run(host, tmp_path, "status", pod, [start, *links], version)
    run(host, tmp_path, "del", pod, [start, *links], version)
    assert host.state() == empty
    assert not [name for _path, _directories, names in os.walk(tmp_path / "notes") for name in names]
    run(host, tmp_path, "del", pod, [start, *links], version)


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("number", range(4), ids=["tuning", "bandwidth", "firewall", "portmap"])
def test_killed(host, alone, links, tmp_path, needs, number):
    """Killed before anything that changes something; DEL or GC leaves nothing of it, and the next ADD succeeds."""
    conf = {"cniVersion": "1.1.0", "name": "net", **links[number]}
    conf["runtimeConfig"] = {"portMappings": PORTS, "bandwidth": BANDWIDTH}
    if conf["type"] == "bandwidth":
        needs("ifb")
    pod = host.pod()
    conf["prevResult"] = host.call("bridge", "ADD", host.conf(), "c1", pod)
    notes = tmp_path / "notes"

    def state():
        chains = [item["chain"]["name"] for item in host.netns.nft() if "chain" in item]
        shapes = [item["kind"] for item in json.loads(host.netns.run("tc -j qdisc").stdout)]
        files = [name for _path, _directories, names in os.walk(notes) for name in names]
        conditions = [name for name in chains if name.startswith("conditions")]
        return host.state(), conditions, sorted(shapes), files

    before = state()
    link = pod.ip("link show dev eth0")
    total = 0
    for syscall in CHANGING:
        for count in range(1, MOST):
            was_killed = killed(host, alone, conf, pod, syscall, count)
            if count % 2 or conf["type"] == "bandwidth":
                host.call(conf["type"], "DEL", conf, "c1", pod)
            else:
                host.call(conf["type"], "GC", {**conf, "prevResult": None, "cni.dev/valid-attachments": []})
            assert state() == before, f"killed before {syscall} number {count}"
            if not was_killed:
                break
            total += 1
        else:
            pytest.fail(f"still making {syscall} after {MOST} times")
    assert total > 3
    if conf["type"] == "tuning":  # GC leaves the pod as it is, DEL puts things back
        pod.run("ip link set eth0 mtu 1500")
        assert pod.ip("link show dev eth0") == link
    result = host.call(conf["type"], "ADD", conf, "c1", pod)
    host.call(conf["type"], "CHECK", {**conf, "prevResult": result}, "c1", pod)


def killed(host, alone, conf, pod, syscall, count):
    """Whether the ADD was killed before its ``count``-th ``syscall``; False when it made fewer and succeeded."""
    words, env = host.command(conf["type"], "ADD", "c1", pod)
    inject = f"inject={syscall}:signal=SIGKILL:when={count}"
    strace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e", inject]
    words = [*words[:-1], *strace, f"{alone}/{conf['type']}"]
    done = subprocess.run(words, input=json.dumps(conf), env=env, capture_output=True, text=True, check=False)
    if done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return True
    assert done.returncode == 0, done.stdout + done.stderr
    return False
