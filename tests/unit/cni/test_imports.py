# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call loads: it is paid for with every pod's start, so the list is held."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import install
from ansible_collections.podnet.cluster.plugins.module_utils.cni.exec import delegate

SOURCE = os.path.dirname(install.__file__)
#: Runs a call and tells which modules that took, whatever became of it.
SCRIPT = """
import sys
before = set(sys.modules)
package = type(sys)("podnet"); package.__path__ = [sys.argv[1]]; sys.modules["podnet"] = package
from podnet.cni.exec.main import respond
import posix
env = {"CNI_COMMAND": sys.argv[2], "CNI_CONTAINERID": "c1", "CNI_NETNS": sys.argv[4], "CNI_IFNAME": "eth0"}
env["CNI_PATH"] = "/"
stdin = posix.memfd_create("conf", 0); posix.write(stdin, sys.argv[3].encode()); posix.lseek(stdin, 0, 0)
answer, status = respond(sys.argv[6], env, stdin)
assert status == int(sys.argv[5]), answer
print("\\n".join(sorted(set(sys.modules) - before)))
"""
HEAVY = {
    "json", "socket", "re", "enum", "dataclasses", "typing", "ipaddress", "logging", "subprocess", "pathlib",
    "argparse", "os", "importlib", "collections", "contextlib", "functools", "tempfile", "ctypes", "hashlib",
}  # fmt: skip
#: Besides the library: the interpreter's own C modules, and what they come with.
STANDARD = {
    "__future__", "_blake2", "_ctypes", "_json", "_operator", "_socket", "_struct", "_typing", "errno", "fcntl",
    "struct", "types",
}  # fmt: skip
LIBRARY = {
    "podnet", "podnet.cni", "podnet.ipam", "podnet.netlink",
    *[f"podnet.cni.{name}" for name in (
        "attach", "attach.interface", "attach.pod", "attach.undo", "attach.veth",
        "exec", "exec.attachment_lock", "exec.delegate", "exec.main",
        "plugins", "plugins.bridge", "plugins.bridge.bridge", "plugins.flannel", "plugins.host_local",
        "spec", "spec.call", "spec.config", "spec.environment", "spec.errors", "spec.fastjson", "spec.names",
        "spec.result",
    )],
    *[f"podnet.ipam.{name}" for name in ("files", "index", "ip", "ranges", "records", "store")],
    *[f"podnet.netlink.{name}" for name in (
        "address", "channel", "checksum", "link", "neighbour", "netns", "objects", "removal", "route", "wire",
    )],
}  # fmt: skip
NAT = {
    "podnet.nat", "podnet.nat.guard", "podnet.nat.pods", "podnet.nat.table", "podnet.netlink.nft_expr",
    "podnet.netlink.nftables",
}  # fmt: skip
PORTS = {*NAT, "podnet.cni.plugins.portmap_nft", "podnet.cni.plugins.portmap", "podnet.netlink.conntrack"}


@pytest.fixture
def loaded(make_netns, tmp_path):
    """A function that makes a call in fresh namespaces and returns what it loaded."""
    host, pod = make_netns(), make_netns()
    env = tmp_path / "subnet.env"
    env.write_text(
        "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
    )
    conf = {"cniVersion": "1.1.0", "name": "net", "type": "flannel", "subnetFile": str(env), "dataDir": str(tmp_path)}
    conf["ipam"] = {"dataDir": str(tmp_path / "data")}

    host.run("ip link add up0 type veth peer name up1")

    def call(command, status=0, **more):
        wanted = {**conf, **more}
        arguments = [SOURCE, command, json.dumps(wanted), pod.path, str(status), wanted["type"]]
        return set(host.run("/usr/bin/python3", "-IS", "-c", SCRIPT, *arguments).stdout.split())

    return call


@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_a_pod_without_host_ports(loaded, command):
    if command == "DEL":  # of a pod that ours made: else it looks for what the standard plugins made
        loaded("ADD")
    found = loaded(command)
    assert not found & HEAVY
    assert found <= STANDARD | LIBRARY, sorted(found - STANDARD - LIBRARY)
    if sys.version_info < (3, 12) and command == "ADD":
        assert "podnet.cni.plugins.bridge.bridge" in found  # it did the work


def test_a_pod_with_host_ports(loaded):
    ports = {"portMappings": [{"hostPort": 80, "containerPort": 80}]}
    found = loaded("ADD", runtimeConfig=ports)
    assert not found & HEAVY
    assert found <= STANDARD | LIBRARY | PORTS, sorted(found - STANDARD - LIBRARY - PORTS)


@pytest.mark.parametrize(
    ("plugin", "more"),
    [
        ("ptp", {"podnet.cni.plugins.ptp"}),
        ("macvlan", {"podnet.cni.plugins.macvlan", "podnet.cni.attach.parent_link"}),
        ("tap", {"podnet.cni.plugins.tap", "podnet.netlink.tuntap"}),
        ("host-device", {"podnet.cni.plugins.host_device"}),
    ],
)
def test_other_interfaces(loaded, tmp_path, plugin, more):
    """They load themselves, and of the rest no more than a bridge does."""
    ipam = {"type": "host-local", "dataDir": str(tmp_path / "data"), "ranges": [[{"subnet": "10.9.0.0/24"}]]}
    names = {"master": "up0"} if plugin == "macvlan" else {"device": "up0"}
    found = loaded("ADD", type=plugin, ipam=ipam, **names)
    allowed = STANDARD | more | LIBRARY - {"podnet.cni.plugins.bridge.bridge", "podnet.cni.plugins.flannel"}
    assert not found & HEAVY
    assert more <= found <= allowed, sorted(found - allowed)


CHAINED = {
    "prevResult": {
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "up0"}, {"name": "eth0", "sandbox": "/x"}],
        "ips": [{"address": "10.9.0.5/24", "interface": 1}],
    }
}
RULES = {*NAT, "podnet.cni.attach.veth"}


@pytest.mark.parametrize(
    ("plugin", "conf", "status", "more"),
    [
        (
            "static",
            {"ipam": {"type": "static", "addresses": [{"address": "10.9.0.5/24"}]}},
            0,
            {"podnet.cni.plugins.static"},
        ),
        ("tuning", {**CHAINED, "sysctl": {"net.core.somaxconn": "77"}}, 0, {"podnet.cni.plugins.tuning"}),
        ("firewall", CHAINED, 0, {"podnet.cni.plugins.firewall", *RULES}),
        # no interface to limit, and no daemon to ask: all is loaded by then
        (
            "bandwidth",
            {**CHAINED, "ingressRate": 8000, "ingressBurst": 80000},
            1,
            {"podnet.cni.plugins.bandwidth", "podnet.cni.attach.veth", "podnet.netlink.traffic"},
        ),
        (
            "dhcp",
            {"ipam": {"type": "dhcp", "daemonSocketPath": "/none"}},
            1,
            {"podnet.cni.plugins.dhcp.plugin", "podnet.cni.plugins.dhcp", "podnet.cni.plugins.dhcp.options"},
        ),
    ],
)
def test_chained_and_address_plugins(loaded, tmp_path, plugin, conf, status, more):
    """They load themselves, and of the rest no more than a bridge does."""
    found = loaded("ADD", status, type=plugin, dataDir=str(tmp_path), **conf)
    allowed = (
        STANDARD
        | more
        | LIBRARY - {"podnet.cni.plugins.bridge.bridge", "podnet.cni.plugins.flannel", "podnet.cni.plugins.host_local"}
    )
    assert not found & HEAVY
    assert f"podnet.cni.plugins.{plugin}" in found
    assert found <= allowed, sorted(found - allowed)


def test_version_loads_no_plugin(loaded):
    found = loaded("VERSION")
    assert not {
        name for name in found if name.startswith(("podnet.netlink.", "podnet.cni.plugins.bridge.bridge", "podnet.nat"))
    }
    assert not found & HEAVY


def test_executables_are_what_there_is():
    """Each plugin has its executable, and the files that make them are all in the bundle."""
    assert sorted(install.PLUGINS) == sorted(delegate.OWN)
    bundled = {part for part in install.BUNDLED if os.path.exists(os.path.join(SOURCE, part))}
    assert bundled == set(install.BUNDLED)
    for name in LIBRARY | PORTS:
        assert name == "podnet" or name.split(".")[1] in {part.removesuffix(".py") for part in bundled}


def test_executables_work_without_the_bundle(tmp_path):
    """An interpreter that came after the installation has no bundle: the files themselves serve."""
    version = install.install(install.read_tree(SOURCE), str(tmp_path))
    (bundle,) = (tmp_path / version / "lib").glob("podnet.*")
    command = [tmp_path / "current/bin/bridge"]
    env = {"CNI_COMMAND": "VERSION"}
    first = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    bundle.unlink()
    again = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    assert json.loads(first) == json.loads(again)
