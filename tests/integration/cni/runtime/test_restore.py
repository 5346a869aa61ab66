# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After ``nft flush ruleset`` all that pods had in the packet filter comes back by ``restore``."""

from __future__ import annotations

import json
import subprocess

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.runtime.runtime import Attachment, Runtime
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.conflist import Conflist

PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
CHAIN = [
    {"type": "portmap", "capabilities": {"portMappings": True}},
    {"type": "firewall", "ingressPolicy": "same-bridge"},
]


@pytest.fixture
def runtime(host, bin_dir, tmp_path):
    """The runtime in the host's namespace."""
    with host.netns.entered():
        yield Runtime([bin_dir], str(tmp_path / "cache"))


def mains(host, tmp_path):
    """First plugins of a list, by name."""
    conf = {key: value for key, value in host.conf(isDefaultGateway=True).items() if key not in ("cniVersion", "name")}
    subnets = "10.244.0.0/16", "10.244.1.1/24"
    words = dict(zip(("NETWORK", "SUBNET"), subnets), MTU="1450", IPMASQ="false")
    env = tmp_path / "subnet.env"
    env.write_text("".join(f"FLANNEL_{key}={value}\n" for key, value in words.items()))
    flannel = {"type": "flannel", "subnetFile": str(env), "ipam": {"dataDir": str(host.data)}}
    ways = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    return {
        "bridge": {**conf, "ipMasq": True, "macspoofchk": True},
        "ptp": {**conf, "type": "ptp", "ipMasq": True, "ipam": {**conf["ipam"], "routes": ways}},
        "flannel": {**flannel, "delegate": {"isDefaultGateway": True, "macspoofchk": True}},
    }


def rules(host):
    """The tables with all that is in them, but for what numbers them."""
    text = "".join(host.netns.run(f"nft -s list table {each} podnet").stdout for each in tables(host))
    return sorted(line.strip() for line in text.splitlines())


def tables(host):
    return [item["table"]["family"] for item in host.netns.nft("list tables") if "table" in item]


@pytest.mark.parametrize("main", ["bridge", "ptp", "flannel"])
def test_what_was_flushed_is_restored(host, way, runtime, tmp_path, main, empty):
    plugin = mains(host, tmp_path)[main]
    chain = CHAIN if main != "ptp" else CHAIN[:1]
    network = Conflist({"cniVersion": "1.1.0", "name": "net", "plugins": [plugin, *chain]})
    pods = [host.pod() for _number in range(2)]
    for number, pod in enumerate(pods):
        ports = {"portMappings": [{**PORTS["portMappings"][0], "hostPort": 8080 + number}]}
        runtime.add(network, Attachment(f"c{number}", pod.path, capabilities=ports))
    before = rules(host)
    assert tables(host) == (["inet"] if main == "ptp" else ["bridge", "inet"])
    host.netns.run("nft flush ruleset")
    assert runtime.restore(network) == []
    assert rules(host) == before
    assert runtime.restore(network) == [] and rules(host) == before
    for number, pod in enumerate(pods):
        runtime.check(network, Attachment(f"c{number}", pod.path))
        runtime.delete(network, Attachment(f"c{number}", pod.path))
    assert {**host.state(), "neighbours": []} == empty


def test_who_is_gone_gets_nothing_back(host, runtime, tmp_path):
    """Neither a pod whose namespace is gone nor one that was deleted."""
    network = Conflist({"cniVersion": "1.1.0", "name": "net", "plugins": [mains(host, tmp_path)["bridge"], *CHAIN]})
    pods = [host.pod() for _number in range(3)]
    for number, pod in enumerate(pods):
        runtime.add(network, Attachment(f"c{number}", pod.path))
    runtime.delete(network, Attachment("c0", pods[0].path))
    subprocess.run(["umount", pods[1].path], check=True)
    host.netns.run("nft flush ruleset")
    assert runtime.restore(network) == []
    elements = "".join(host.state()["elements"])
    assert "c2 eth0 net" in elements and "c0 eth0" not in elements and "c1 eth0" not in elements


def test_another_implementations_plugins_are_passed_over(host, runtime, tmp_path):
    """What they had in the packet filter only they know."""
    network = Conflist({"cniVersion": "1.1.0", "name": "net", "plugins": [mains(host, tmp_path)["bridge"], *CHAIN]})
    runtime.add(network, Attachment("c0", host.pod().path))
    host.netns.run("nft flush ruleset")
    others = tmp_path / "bin"
    others.mkdir()
    for name in ("bridge", "portmap", "firewall"):
        (others / name).write_text("#!/bin/sh\nexit 1\n")
        (others / name).chmod(0o755)
    assert Runtime([str(others)], runtime.cache).restore(network) == []
    assert host.netns.run("nft list ruleset").stdout == ""


def test_by_the_command(host, way, bin_dir, runtime, tmp_path):
    """podnet-cni restore, as podnetd calls it; a failure is told and does not stop it."""
    chain = [mains(host, tmp_path)["bridge"], *CHAIN]
    conflist = {"cniVersion": "1.1.0", "name": "net", "plugins": chain}
    (tmp_path / "10-net.conflist").write_text(json.dumps(conflist))
    pods = [host.pod() for _number in range(2)]
    for number, pod in enumerate(pods):
        runtime.add(Conflist(conflist), Attachment(f"c{number}", pod.path))
    pods[0].run("ip link set eth0 name other0")  # so that its host's end can't be found by it
    before = rules(host)
    host.netns.run("nft flush ruleset")
    env = {"PATH": "/usr/bin:/bin", "NETCONFPATH": str(tmp_path), "CNI_PATH": str(bin_dir)}
    done = host.netns.run(f"{bin_dir}/podnet-cni", "--cache", runtime.cache, "restore", "net", check=False, env=env)
    assert done.returncode == 1 and "c0 eth0: bridge: " in done.stderr
    after = rules(host)
    assert any("c1 eth0 net" in line for line in after) and len(after) < len(before) + 1
