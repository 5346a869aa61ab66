# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every plugin, as a process: environment and standard input in; result, error and exit status out (CNI 1.1.0)."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import install
from ansible_collections.podnet.cluster.plugins.module_utils.cni.exec import delegate
from ansible_collections.podnet.cluster.plugins.module_utils.cni.plugins import host_local
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec import config
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.call import Call
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.environment import Environment
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.errors import CniError
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.result import VERSIONS
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.ip import parse_address
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.ranges import parse_sets

PLUGINS = sorted(delegate.OWN)
VALID = "cni.dev/valid-attachments"
ENVIRONMENT = {"CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/none", "CNI_IFNAME": "eth0", "CNI_PATH": "/none"}


@pytest.fixture(scope="module")
def bin_dir(tmp_path_factory):
    """The executables, installed as on a node."""
    root = tmp_path_factory.mktemp("podnet")
    install.install(install.read_tree(os.path.dirname(install.__file__)), str(root))
    return root / "current/bin"


@pytest.fixture(scope="module")
def call(bin_dir):
    """A function that runs an installed plugin: (exit status, what it printed as JSON, its standard error)."""

    def run(plugin, command, conf, **changed):
        env = {**ENVIRONMENT, "CNI_COMMAND": command, **changed}
        env = {key: value for key, value in env.items() if value is not None}
        data = conf if isinstance(conf, bytes) else json.dumps(conf).encode()
        done = subprocess.run([bin_dir / plugin], input=data, env=env, capture_output=True, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None, done.stderr.decode()

    return run


#: What plugins can't do without, whatever the command.
NAMES = {"bridge": "podnet-none0", "device": "podnet-none0", "master": "podnet-none0", "vrfname": "podnet-none0"}


def conf(**more):
    return {"cniVersion": "1.1.0", "name": "net", "type": "x", **more}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_version_lists_all(call, plugin):
    status, answer, _stderr = call(plugin, "VERSION", {"cniVersion": "0.4.0"})
    assert (status, answer) == (0, {"cniVersion": "0.4.0", "supportedVersions": list(VERSIONS)})


@pytest.mark.parametrize("plugin", PLUGINS)
def test_without_command_it_introduces_itself(call, plugin):
    status, answer, stderr = call(plugin, "", b"", CNI_COMMAND=None)
    assert (status, answer) == (0, None)
    assert plugin in stderr
    assert "1.1.0" in stderr


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("ADD", "CNI_CONTAINERID"),
        ("ADD", "CNI_NETNS"),
        ("ADD", "CNI_IFNAME"),
        ("CHECK", "CNI_NETNS"),
        ("DEL", "CNI_IFNAME"),
        ("GC", "CNI_PATH"),
        ("STATUS", "CNI_PATH"),
    ],
)
def test_missing_variable_is_error_4(call, plugin, command, missing):
    status, answer, _stderr = call(plugin, command, conf(), **{missing: None})
    assert status == 1
    assert answer["code"] == 4
    assert answer["msg"] == f"required env variables [{missing}] missing"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"CNI_COMMAND": "MEND"}, 4),
        ({"CNI_CONTAINERID": "../../etc/passwd"}, 4),
        ({"CNI_CONTAINERID": "-c"}, 4),
        ({"CNI_IFNAME": "a/b"}, 4),
        ({"CNI_IFNAME": "sixteen-letters-"}, 4),
        ({"CNI_IFNAME": ".."}, 4),
        ({"CNI_IFNAME": "eth 0"}, 4),
        ({"CNI_IFNAME": "eth%d"}, 4),
        ({"CNI_NETNS": "/run/netns/none"}, 8),
        ({"CNI_NETNS": "/proc/self/ns/net"}, 8),
        ({"CNI_NETNS": "/etc/hostname"}, 8),
    ],
)
@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.defect("every plugin: a pod namespace that is the host's is found out after the work")
def test_bad_environment(call, plugin, changed, code):
    status, answer, _stderr = call(plugin, "ADD", conf(), **changed)
    assert (status, answer["code"]) == (1, code)


READERS = {"static": ("ADD", "CHECK"), "tuning": ("ADD", "CHECK"), "host-local": ("ADD",)}


@pytest.mark.parametrize(
    ("plugin", "command"),
    [
        *[("loopback", command) for command in ("CHECK", "STATUS", "GC")],
        *[(plugin, command) for plugin in READERS for command in ("ADD", "CHECK", "DEL", "STATUS", "GC")],
    ],
)
def test_malformed_cni_args_matter_to_who_reads_them(call, tmp_path, plugin, command):
    """A chain's plugins all get the same CNI_ARGS; loopback reads none, STATUS and GC concern no pod, and DEL cleans up
    whatever they are."""
    ipam = {
        "type": plugin,
        "addresses": [{"address": "10.9.0.5/24"}],
        "subnet": "10.9.0.0/24",
        "dataDir": str(tmp_path),
    }
    more = {"cni.dev/valid-attachments": [], "prevResult": {"ips": [{"address": "10.9.0.5/24"}]}}
    environment = {"CNI_ARGS": "novalue", "CNI_NETNS": "/proc/self/ns/net", "CNI_NETNS_OVERRIDE": "1"}
    given = conf(ipam=ipam, dataDir=str(tmp_path), sysctl={"net.a": "1"}, **more)
    _status, answer, _stderr = call(plugin, command, given, **environment)
    told = bool(answer) and "invalid pair" in answer.get("msg", "")
    assert told == (command in READERS.get(plugin, ()))
    assert not told or answer["code"] == 4


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", 6),
        (b"{", 6),
        (b"[]", 6),
        (b"null", 6),
        (b'"\xff"', 6),
        (b"[" * 100_000, 6),
        (b'{"cniVersion": 1, "name": "n"}', 6),
        (b'{"cniVersion": "9.9.9", "name": "n"}', 1),
        (b'{"cniVersion": "1.0.0"}', 7),
        (b'{"cniVersion": "1.0.0", "name": "../n"}', 7),
        (b'{"cniVersion": "1.0.0", "name": 7}', 7),
        (b'{"cniVersion": "1.0.0", "name": "n", "prevResult": []}', 6),
        (b'{"cniVersion": "1.0.0", "name": "n", "prevResult": {"ips": [{"address": "1.2.3"}]}}', 6),
    ],
)
def test_bad_configuration(call, plugin, data, code):
    status, answer, stderr = call(plugin, "ADD", data)
    assert (status, answer["code"]) == (1, code), answer
    assert "Traceback" not in stderr
    assert answer["cniVersion"] in VERSIONS


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize(("command", "version"), [("CHECK", "0.3.1"), ("GC", "1.0.0"), ("STATUS", "1.0.0")])
def test_commands_exist_since_a_version(call, plugin, command, version):
    status, answer, _stderr = call(plugin, command, conf(cniVersion=version))
    assert (status, answer["code"]) == (1, 1)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_check_needs_the_result(call, plugin):
    status, answer, _stderr = call(plugin, "CHECK", conf(), CNI_NETNS="/proc/1/ns/net", CNI_NETNS_OVERRIDE="1")
    assert (status, answer["code"]) == (1, 7)


@pytest.mark.parametrize(
    "plugin",
    ["bridge", "dummy", "flannel", "host-device", "host-local", "ipvlan", "macvlan", "portmap", "ptp", "tap", "vlan"],
)
def test_gc_without_the_list_is_refused(call, plugin, tmp_path):
    """An absent list is not an empty one: everything would go."""
    ipam = {"type": "host-local", "dataDir": str(tmp_path), "ranges": [[{"subnet": "10.0.0.0/24"}]]}
    wanted = conf(ipam=ipam, **NAMES, subnetFile="/none")
    for told in ({}, {VALID: "c1"}, {VALID: [{}]}, {VALID: [{"containerID": "c1"}]}):
        status, answer, _stderr = call(plugin, "GC", {**wanted, **told})
        assert (status, answer["code"]) == (1, 7), told


@pytest.mark.parametrize("plugin", PLUGINS)
def test_del_is_quiet_without_namespace_and_result(call, plugin, tmp_path):
    ipam = {"type": "host-local", "dataDir": str(tmp_path), "ranges": [[{"subnet": "10.0.0.0/24"}]]}
    wanted = conf(cniVersion="0.3.1", ipam=ipam, **NAMES, subnetFile="/none", dataDir=str(tmp_path))
    for netns in (None, "", "/run/netns/none"):
        assert call(plugin, "DEL", wanted, CNI_NETNS=netns) == (0, None, "")


@pytest.mark.parametrize(
    ("plugin", "changed", "code"),
    [
        ("portmap", {"backend": "pf"}, 7),
        ("portmap", {"conditionsV4": ["-m", "owner"]}, 2),
        ("sbr", {"table": "red"}, 7),
        ("vrf", {"vrfname": ""}, 7),
        ("vrf", {"vrfname": "red", "table": 254}, 7),
    ],
)
def test_status_tells_of_a_configuration_that_no_pod_can_have(call, plugin, changed, code):
    status, answer, _stderr = call(plugin, "STATUS", conf(**changed))
    assert (status, answer["code"]) == (1, code)


def test_status_waits_for_no_ranges_that_the_runtime_brings(call, tmp_path):
    wanted = conf(ipam={"type": "host-local", "dataDir": str(tmp_path)})
    assert call("bridge", "STATUS", wanted)[1]["code"] == 50
    assert call("bridge", "STATUS", {**wanted, "capabilities": {"ipRanges": True}})[0] == 0


@pytest.mark.parametrize(
    ("by_args", "by_runtime", "wanted"),
    [
        ("10.0.0.5", [], {0: "10.0.0.5"}),
        ("10.0.0.5", ["fd00::6"], {0: "10.0.0.5", 1: "fd00::6"}),
        ("10.0.0.5", ["fd00::6/64", "10.0.0.6/24"], {0: "10.0.0.6", 1: "fd00::6"}),
        ("", ["10.0.0.5", "10.0.0.6"], "all requested IPs: 10.0.0.6"),
        ("10.1.0.5", [], "all requested IPs: 10.1.0.5"),
    ],
)
def test_who_asks_for_an_address(by_args, by_runtime, wanted):
    sets = parse_sets([[{"subnet": "10.0.0.0/24"}], [{"subnet": "fd00::/64"}]])
    pod = {"CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/none", "CNI_IFNAME": "eth0"}
    env = Environment({"CNI_COMMAND": "ADD", "CNI_PATH": "/", "CNI_ARGS": f"IP={by_args}", **pod})
    asked = Call(env, {"runtimeConfig": {"ips": by_runtime}}, None)
    if isinstance(wanted, str):
        with pytest.raises(CniError, match=wanted):
            host_local.requested(asked, sets)
    else:
        assert host_local.requested(asked, sets) == {key: parse_address(text)[1] for key, text in wanted.items()}


@pytest.mark.parametrize("text", [None, ""])
def test_nothing_said_is_the_default(text):
    told = {"name": "net", "dataDir": text, "ipam": {"dataDir": text}}
    assert host_local.directory(Call(None, told, None)) == "/var/lib/cni/networks/net"
    assert config.string(told, "dataDir", "/x") == "/x"


def test_flannel_without_subnet_env(call):
    wanted = conf(subnetFile="/none/subnet.env")
    netns = {"CNI_NETNS": "/proc/1/ns/net", "CNI_NETNS_OVERRIDE": "1"}
    assert call("flannel", "ADD", wanted, **netns)[1]["code"] == 11
    assert call("flannel", "STATUS", wanted)[1]["code"] == 50


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("FLANNEL_MTU=1450\n", "FLANNEL_IPMASQ"),
        ("FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n", "FLANNEL_SUBNET"),
        ("FLANNEL_MTU=x\nFLANNEL_IPMASQ=true\nFLANNEL_SUBNET=10.1.0.1/24\n", "FLANNEL_MTU must be a whole number"),
        ("FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\nFLANNEL_SUBNET=10.1.0.1\n", "prefix length"),
    ],
)
def test_flannel_with_a_broken_subnet_env(call, tmp_path, text, word):
    file = tmp_path / "subnet.env"
    file.write_text(text)
    _status, answer, _stderr = call("flannel", "STATUS", conf(subnetFile=str(file)))
    assert answer["code"] == 50
    assert word in answer["msg"]


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"hairpinMode": True, "promiscMode": True}, "hairpin"),
        ({"mtu": "big"}, "mtu"),
        ({"mtu": -1}, "mtu"),
        ({"isGateway": "yes"}, "isGateway"),
        ({"vlan": 4095}, "vlan"),
        ({"runtimeConfig": {"mac": "nonsense"}}, "MAC"),
        ({"runtimeConfig": []}, "runtimeConfig"),
        ({"ipam": "host-local"}, "ipam"),
        ({"ipam": {"type": "../../bin/sh"}}, "plugin type"),
        ({"ipam": {"type": "not-there"}}, "not-there"),
        ({"ipam": {"type": "bridge"}}, "is not an IPAM plugin"),
        ({"bridge": "br\0"}, "zero bytes"),
        ({"bridge": "br\ud800"}, "surrogates"),
        ({"bridge": "br%d"}, "is not a valid link name"),
        ({"dns": {"nameservers": "10.0.0.53"}}, "dns.nameservers"),
        ({"disableContainerInterface": True, "ipam": {"type": "host-local"}}, "IPAM"),
    ],
)
def test_bridge_refuses(call, changed, word):
    netns = {"CNI_NETNS": "/proc/1/ns/net", "CNI_NETNS_OVERRIDE": "1"}
    status, answer, _stderr = call("bridge", "ADD", conf(**changed), **netns)
    assert (status, answer["code"]) == (1, 7), answer
    assert word in answer["msg"]


@pytest.mark.parametrize(
    ("mapping", "word"),
    [
        ({"containerPort": 80}, "hostPort"),
        ({"hostPort": 0, "containerPort": 80}, "hostPort"),
        ({"hostPort": 65536, "containerPort": 80}, "hostPort"),
        ({"hostPort": 80}, "containerPort"),
        ({"hostPort": 80, "containerPort": 80, "protocol": "icmp"}, "protocol"),
        ({"hostPort": 80, "containerPort": 80, "hostIP": "here"}, "hostIP"),
    ],
)
def test_portmap_refuses(call, mapping, word):
    netns = {"CNI_NETNS": "/proc/1/ns/net", "CNI_NETNS_OVERRIDE": "1"}
    wanted = conf(prevResult={"cniVersion": "1.1.0"}, runtimeConfig={"portMappings": [mapping]})
    status, answer, _stderr = call("portmap", "ADD", wanted, **netns)
    assert (status, answer["code"]) == (1, 7)
    assert word in answer["msg"]


def test_a_port_leads_to_one_place(call):
    netns = {"CNI_NETNS": "/proc/1/ns/net", "CNI_NETNS_OVERRIDE": "1"}
    mappings = [{"hostPort": 80, "containerPort": port} for port in (80, 81)]
    for wanted, words in ((mappings, "tcp 80 cannot lead to both 80 and 81"), (mappings[:1] * 2, None)):
        told = conf(prevResult={"cniVersion": "1.1.0"}, runtimeConfig={"portMappings": wanted})
        status, answer, _stderr = call("portmap", "ADD", told, **netns)
        assert status == bool(words), answer
        assert not words or words in answer["msg"]


def test_portmap_must_be_chained(call):
    netns = {"CNI_NETNS": "/proc/1/ns/net", "CNI_NETNS_OVERRIDE": "1"}
    assert call("portmap", "ADD", conf(), **netns)[1]["msg"] == "must be called as chained plugin"


def test_unsupported_keys_say_so(call):
    netns = {"CNI_NETNS": "/proc/1/ns/net", "CNI_NETNS_OVERRIDE": "1"}
    wanted = conf(prevResult={}, conditionsV4=["-m", "owner"])
    assert call("portmap", "ADD", wanted, **netns)[1]["code"] == 2


def test_standard_input_that_cannot_be_read(bin_dir):
    """One that is open for writing only: read(2) says EBADF."""
    file = os.open("/dev/null", os.O_WRONLY)
    try:
        env = {**ENVIRONMENT, "CNI_COMMAND": "ADD"}
        done = subprocess.run([bin_dir / "loopback"], stdin=file, env=env, capture_output=True, check=False)
    finally:
        os.close(file)
    assert done.returncode == 1
    assert json.loads(done.stdout)["code"] == 5
