# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node changes from the standard Go plugins to ours while its pods live, and back; with the real ones.

What theirs left is removed by our DEL and GC, iptables' rules and nftables' alike, of iptables-nft and iptables-legacy;
witnessed by iptables and nft.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

PORT = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
BACKENDS = ["iptables", "legacy", "nftables"]
TOOLS = ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"]


@pytest.fixture
def backend(request, tmp_path, monkeypatch):
    """The plugins' back end; with "legacy" it is iptables, and that is iptables-legacy."""
    if request.param != "legacy":
        return request.param
    tool = shutil.which("xtables-legacy-multi", path="/usr/sbin:/sbin:/usr/bin")
    if not tool:
        pytest.skip("not installed: iptables-legacy")
    (tmp_path / "legacy").mkdir()
    for name in TOOLS:
        (tmp_path / "legacy" / name).symlink_to(tool)
    monkeypatch.setenv("PATH", f"{tmp_path}/legacy:{os.environ['PATH']}")
    return "iptables"


@pytest.fixture(scope="session")
def go(root):
    """The directory of the newest standard plugins, built once."""
    build = [sys.executable, root / "tests/standard_plugins/standard_plugins.py"]
    return subprocess.run(build, capture_output=True, text=True, check=True).stdout.strip()


class Chain:
    """Bridge, port mappings, firewall, bandwidth; by either implementation."""

    def __init__(self, host, go, backend, families=1):
        self.host = host
        self.go = go
        self.ours = host.bin_dir
        self.results = {}
        ranges = [[{"subnet": "10.9.0.0/24"}], [{"subnet": "fd09::/64"}]][:families]
        common = {"cniVersion": "1.1.0", "name": "net"}
        ipam = {"type": "host-local", "dataDir": str(host.data), "ranges": ranges}
        bridge = {"type": "bridge", "bridge": "br0", "isDefaultGateway": True, "ipMasq": True, "macspoofchk": True}
        self.plugins = [
            {**common, **bridge, "ipMasqBackend": backend, "ipam": ipam},
            {**common, "type": "portmap", "backend": backend, "runtimeConfig": {"portMappings": [PORT]}},
            {**common, "type": "firewall", "backend": "iptables"},
        ]

    def call(self, whose, command, container, pod, result=None, plugins=None):
        self.host.bin_dir = self.go if whose == "go" else self.ours
        chain = self.plugins if plugins is None else plugins
        for conf in reversed(chain) if command == "DEL" else chain:
            given = {**conf, "prevResult": result} if result else conf
            words, env = self.host.command(conf["type"], command, container, pod)
            done = subprocess.run(words, input=json.dumps(given), env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, (conf["type"], done.stdout, done.stderr)
            if command == "ADD":
                result = json.loads(done.stdout)
        self.host.bin_dir = self.ours
        return result

    def gc(self, *valid):
        attachments = [{"containerID": container, "ifname": "eth0"} for container in valid]
        for conf in self.plugins:
            self.host.call(conf["type"], "GC", {**conf, "cni.dev/valid-attachments": attachments})


def traces(host, *words):
    """The lines of every table that name one of these words: nft shows iptables' rules, too."""
    texts = [
        host.netns.run(command, check=False).stdout
        for command in ("nft list ruleset", "iptables-save", "ip6tables-save")
    ]
    return [line.strip() for text in texts for line in text.splitlines() if any(word in line for word in words)]


def reserved(host):
    """The addresses that the store has given."""
    return [name for name in host.state()["reserved"] if name.startswith(("10.", "fd"))]


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("families", [1, 2])
@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_del_of_a_pod_that_go_made(host, way, go, backend, families, gone):
    """A second pod of Go's keeps all that it has, and a rule of the administrator's stays."""
    chain = Chain(host, go, backend, families)
    host.netns.run("iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE")
    host.netns.run("iptables -A FORWARD -s 10.9.0.2 -j ACCEPT")
    first, second = host.pod(), host.pod()
    chain.plugins[1]["runtimeConfig"] = {"portMappings": [PORT]}
    result = chain.call("go", "ADD", "first", first)
    chain.plugins[1]["runtimeConfig"] = {"portMappings": [{**PORT, "hostPort": 8081}]}
    chain.call("go", "ADD", "second", second)
    before = traces(host, "second", "10.9.0.3", "fd09::3")
    assert traces(host, "first")
    assert before
    if gone:
        subprocess.run(["ip", "netns", "delete", first.name], check=True)
    for _again in range(2):
        chain.call("ours", "DEL", "first", "/run/netns/gone" if gone else first, result)
    own = [line for line in traces(host, "first", "10.9.0.2", "fd09::2", "8080") if "FORWARD" not in line]
    assert [line for line in own if line != "ip saddr 10.9.0.2 counter packets 0 bytes 0 accept"] == []
    assert traces(host, "second", "10.9.0.3", "fd09::3") == before
    assert "192.0.2.0/24" in host.netns.run("iptables-save -t nat").stdout
    assert "-A FORWARD -s 10.9.0.2/32 -j ACCEPT" in host.netns.run("iptables-save -t filter").stdout
    assert reserved(host) == ["10.9.0.3", *(["fd09::3"] if families == 2 else [])]


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_gc_of_pods_that_go_made(host, go, backend):
    chain = Chain(host, go, backend)
    pods = [host.pod(), host.pod()]
    for number, container in enumerate(("dead", "valid")):
        chain.plugins[1]["runtimeConfig"] = {"portMappings": [{**PORT, "hostPort": 8080 + number}]}
        chain.call("go", "ADD", container, pods[number])
    subprocess.run(["ip", "netns", "delete", pods[0].name], check=True)
    masquerade = traces(host, r"id: \"valid", "id: valid")
    assert traces(host, r"id: \"dead", "id: dead")
    assert masquerade
    chain.gc("valid")
    assert traces(host, r"id: \"dead", "id: dead") == []
    assert traces(host, r"id: \"valid", "id: valid") == masquerade
    assert reserved(host) == ["10.9.0.3"]


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_the_way_back(host, go, backend):
    """Go's DEL of a pod that ours made: what stays are elements of our two tables, as docs/cni.md says."""
    chain = Chain(host, go, backend)
    pod = host.pod()
    result = chain.call("ours", "ADD", "first", pod)
    chain.call("go", "DEL", "first", pod, result)
    assert [link["ifname"] for link in pod.ip("link")] == ["lo"]
    state = host.state()
    assert (state["links"], reserved(host)) == ([], [])
    assert state["elements"]
    assert traces(host, "first") != []
    for family in ("inet", "bridge"):
        host.netns.run(f"nft delete table {family} podnet")
    assert traces(host, "first", "8080", "10.9.0.2") == []
    other = host.pod()
    given = chain.call("go", "ADD", "second", other)
    assert given["ips"][0]["address"] == "10.9.0.3/24", "their store knows the last address that ours gave"
