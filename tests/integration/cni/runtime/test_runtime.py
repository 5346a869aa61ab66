# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A runtime's view: chains, the cache of results, garbage collection, podnet-cni, and many pods at once."""

from __future__ import annotations

import concurrent.futures
import json
import os
import subprocess

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.runtime.runtime import Attachment, Runtime
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.conflist import Conflist
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.errors import CniError

PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}

#: The versions of a list before and after somebody changed it.
PAIR = ("0.4.0", "1.0.0")


@pytest.fixture
def runtime(host, bin_dir, tmp_path):
    """The runtime in the host's namespace."""
    with host.netns.entered():
        yield Runtime([bin_dir], str(tmp_path / "cache"))


@pytest.fixture
def network(host):
    """The classical chain: bridge, then portmap."""
    bridge = {key: value for key, value in host.conf().items() if key not in ("cniVersion", "name")}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return Conflist({"cniVersion": "1.1.0", "name": "net", "plugins": [bridge, portmap]})


def test_life_of_an_attachment(host, runtime, network, empty):
    pod = host.pod()
    runtime.status(network)
    result = runtime.add(network, Attachment("c1", pod.path, capabilities=PORTS))
    assert [item["address"] for item in result["ips"]] == ["10.9.0.2/24", "fd09::2/64"]
    assert "c1 eth0 net" in "".join(host.state()["elements"])
    again = Attachment("c1", pod.path)  # what it was added with is in the cache
    runtime.check(network, again)
    assert runtime.cached("net", again)["result"] == result
    runtime.delete(network, Attachment("c1", pod.path))
    assert runtime.cached("net", again) is None
    assert host.state() == empty
    runtime.delete(network, Attachment("c1", pod.path))
    with pytest.raises(CniError, match="no cached result"):
        runtime.check(network, again)


def test_what_is_cached_and_cannot_be_read(host, runtime, network, empty):
    """DEL by another list would leave what ADD made: it waits until the entry can be read."""
    pod = host.pod()
    runtime.add(network, Attachment("c1", pod.path, capabilities=PORTS))
    path = os.path.join(runtime.cache, "results", "net-c1-eth0")
    os.rename(path, f"{path}.away")
    os.symlink(path, path)  # ELOOP
    before = host.state()
    with pytest.raises(OSError, match="symbolic links"):
        runtime.delete(network, Attachment("c1", pod.path))
    assert host.state() == before
    os.rename(f"{path}.away", path)
    runtime.delete(network, Attachment("c1", pod.path))
    assert host.state() == empty


def test_garbage_collection_by_cache_and_by_plugin(host, runtime, network, empty):
    pods = [host.pod() for _number in range(3)]
    for number, pod in enumerate(pods):
        ports = {"portMappings": [{**PORTS["portMappings"][0], "hostPort": 8000 + number}]}
        runtime.add(network, Attachment(f"c{number}", pod.path, capabilities=ports))
    os.unlink(os.path.join(runtime.cache, "results", "net-c0-eth0"))  # the runtime has forgotten one
    assert runtime.collect(network, [("c2", "eth0")]) == []
    assert [entry["containerId"] for entry in runtime.attachments("net")] == ["c2"]
    assert "10.9.0.2" not in host.state()["reserved"]
    runtime.check(network, Attachment("c2", pods[2].path))
    with pytest.raises(CniError, match="invalid interface name"):
        runtime.collect(network, [("c2", "")])
    runtime.check(network, Attachment("c2", pods[2].path))
    assert runtime.collect(network, []) == []
    assert {**host.state(), "neighbours": []} == empty


def test_no_garbage_collection_where_none_is_wanted(host, runtime, network):
    runtime.add(network, Attachment("c1", host.pod().path))
    before = host.state()
    assert runtime.collect(Conflist({**network.content, "disableGC": True}), []) == []
    assert host.state() == before
    assert [entry["containerId"] for entry in runtime.attachments("net")] == ["c1"]


def test_versions_and_absent_plugins(runtime):
    assert runtime.version("bridge")[-1] == "1.1.0"
    with pytest.raises(CniError, match="failed to find plugin 'nothing'"):
        runtime.version("nothing")
    with pytest.raises(CniError, match="invalid plugin type"):
        runtime.version("../bridge")


FOREIGN = """#!/usr/bin/python3
import json, os, sys
conf = json.load(sys.stdin)
with open("{log}", "a") as log:
    print(json.dumps([os.environ["CNI_COMMAND"], conf["prevResult"]]), file=log)
print(json.dumps(conf["prevResult"]) if os.environ["CNI_COMMAND"] == "ADD" else "done")
"""


def test_a_foreign_plugin_is_told_in_the_version_of_now(host, runtime, network, tmp_path, empty):
    """CHECK is in the version of the present list, DEL in that of ADD's list; what they print does not matter."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/foreign").write_text(FOREIGN.replace("{log}", str(tmp_path / "log")))
    (tmp_path / "bin/foreign").chmod(0o755)
    runtime.bin_dirs.append(str(tmp_path / "bin"))
    pod, plugins = host.pod(), [network.plugins[0], {"type": "foreign"}]
    before, after = [Conflist({**network.content, "cniVersion": version, "plugins": plugins}) for version in PAIR]
    runtime.add(before, Attachment("c1", pod.path))
    runtime.check(after, Attachment("c1", pod.path))
    runtime.delete(after, Attachment("c1", pod.path))
    told = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(command, previous["cniVersion"]) for command, previous in told] == [
        ("ADD", "0.4.0"),
        ("CHECK", "1.0.0"),
        ("DEL", "0.4.0"),
    ]
    versions = ["version" in item for _command, previous in told for item in previous["ips"]]
    assert versions == [True] * 2 + [False] * 2 + [True] * 2
    assert host.state() == empty


def test_by_hand(host, bin_dir, tmp_path, network, empty):
    """podnet-cni with cnitool's verbs and variables."""
    (tmp_path / "net.d").mkdir()
    (tmp_path / "net.d/10-net.conflist").write_text(json.dumps(network.content))
    (tmp_path / "net.d/05-broken.conf").write_text("{")
    pod = host.pod()
    env = {
        **os.environ,
        "NETCONFPATH": str(tmp_path / "net.d"),
        "CNI_PATH": str(bin_dir),
        "CAP_ARGS": json.dumps(PORTS),
    }

    def tool(*arguments, **more):
        command = ["nsenter", f"--net={host.netns.path}", "--", bin_dir / "podnet-cni", "--cache", tmp_path / "cache"]
        return subprocess.run([*command, *arguments], env={**env, **more}, capture_output=True, text=True, check=False)

    assert tool("status", "net").returncode == 0
    assert tool("status", "net", pod.path).returncode == 0
    added = tool("add", "net", pod.path)
    assert json.loads(added.stdout)["ips"][0]["address"] == "10.9.0.2/24", added.stderr
    assert tool("check", "net", pod.path).returncode == 0
    failed = tool("add", "net", pod.path)
    assert failed.returncode == 1
    assert "duplicate allocation" in json.loads(failed.stdout)["msg"]
    assert tool("del", "net", pod.path).returncode == 0
    assert host.state() == empty
    assert tool("gc", "net").returncode == 0
    assert tool("gc", "net", pod.path).returncode == 0
    assert json.loads(tool("add", "net", pod.path, "-i", "net1").stdout)["interfaces"][2]["name"] == "net1"
    assert tool("del", "net", pod.path, "--ifname", "net1").returncode == 0
    for variable, text in (("CAP_ARGS", "{"), ("CAP_ARGS", "5"), ("CNI_ARGS", "IP")):
        refused = tool("add", "net", pod.path, **{variable: text})
        assert (refused.returncode, refused.stdout) == (2, "")
        assert variable in refused.stderr
        assert "Traceback" not in refused.stderr
    assert host.state() == empty
    unknown = tool("add", "other", pod.path)
    assert unknown.returncode == 2
    assert "no network 'other'" in unknown.stderr
    assert "Traceback" not in unknown.stderr


def test_many_at_once(host, way, empty):
    """Pods side by side on one network, twice as many as fit: no address twice, no leak, the rest is told why."""
    ipam = {**host.conf()["ipam"], "ranges": [[{"subnet": "10.9.0.0/28"}]]}  # 13 addresses beside the gateway
    conf = host.conf(ipam=ipam, ipMasq=True)
    pods = [host.pod() for _number in range(26)]

    def add(number):
        words, env = host.command("bridge", "ADD", f"c{number}", pods[number])
        done = subprocess.run(words, input=json.dumps(conf), env=env, capture_output=True, text=True, check=False)
        return json.loads(done.stdout)

    def delete(number):
        host.call("bridge", "DEL", conf, f"c{number}", pods[number])

    for _again in range(2):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(add, range(len(pods))))
            given = [answer["ips"][0]["address"] for answer in answers if "ips" in answer]
            assert len(given) == len(set(given)) == 13
            assert {answer["code"] for answer in answers if "ips" not in answer} == {11}
            list(pool.map(delete, range(len(pods))))
        assert host.state() == empty


def test_two_hundred_at_once(host, way, empty):
    """Forty calls at a time, made and removed twice: no address twice, nothing left, nobody waits for ever."""
    conf = host.conf(ipMasq=True)
    pods = [host.pod() for _number in range(20)]
    wanted = [(f"c{pod}", pods[pod], f"eth{number}") for pod in range(20) for number in range(10)]

    def add(item):
        container, pod, ifname = item
        return host.call("bridge", "ADD", conf, container, pod, ifname=ifname)

    def delete(item):
        container, pod, ifname = item
        host.call("bridge", "DEL", conf, container, pod, ifname=ifname)

    for _again in range(2):
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            results = list(pool.map(add, wanted))
            for number in (0, 1):
                given = [result["ips"][number]["address"] for result in results]
                assert len(set(given)) == 200
            list(pool.map(delete, wanted))
        assert host.state() == empty


def test_a_cache_on_a_full_disk(host, bin_dir, network, tmp_path, empty):
    """ADD says so and leaves no half of a file; DEL, which follows, leaves nothing."""
    cache = tmp_path / "full"
    cache.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", cache], check=True)
    try:
        pod = host.pod()
        with host.netns.entered():
            runtime = Runtime([bin_dir], str(cache))
            (cache / "results").mkdir(mode=0o700)
            (cache / "other").write_bytes(b"x" * 4096 * 4)
            with pytest.raises(OSError, match="No space left on device"):
                runtime.add(network, Attachment("c1", pod.path))
            assert os.listdir(cache / "results") == []
            runtime.delete(network, Attachment("c1", pod.path))
        assert host.state() == empty
    finally:
        subprocess.run(["umount", cache], check=True)
