# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration list changes while pods live: nothing of what its former plugins made stays behind."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.runtime.runtime import Attachment, Runtime
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.conflist import Conflist

PORT = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
GIVEN = {"portMappings": [PORT]}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
FIREWALL = {"type": "firewall", "ingressPolicy": "same-bridge"}
RESULTS = "/var/lib/cni/results"


def bridge(host, **more):
    """The list's first plugin, with all that it can leave behind."""
    conf = host.conf(ipMasq=True, macspoofchk=True, isDefaultGateway=True, **more)
    return {key: value for key, value in conf.items() if key not in ("cniVersion", "name")}


def conflist(*plugins, **more):
    return Conflist({"cniVersion": "1.1.0", "name": "net", "plugins": list(plugins), **more})


@pytest.fixture
def runtime(host, bin_dir, tmp_path):
    """The runtime in the host's namespace."""
    with host.netns.entered():
        yield Runtime([bin_dir], str(tmp_path / "cache"))


CHANGES = {
    "plugins left": lambda host: [bridge(host)],
    "keys off": lambda host: [
        {**bridge(host), "ipMasq": False, "macspoofchk": False, "bridge": "br9"}, PORTMAP, FIREWALL,
    ],
    "another subnet": lambda host: [
        {**bridge(host), "ipam": {"type": "host-local", "dataDir": str(host.data), "subnet": "10.99.0.0/24"}}, PORTMAP,
    ],
    "another directory": lambda host: [
        {**bridge(host), "ipam": {**host.conf()["ipam"], "dataDir": f"{host.data}-other"}}, PORTMAP,
    ],
    "another type": lambda host: [{"type": "ptp", "ipam": host.conf()["ipam"]}, PORTMAP],
}  # fmt: skip


@pytest.mark.parametrize("command", ["DEL", "GC"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_the_cached_list_made_goes(host, runtime, empty, change, command):
    pod = host.pod()
    runtime.add(conflist(bridge(host), PORTMAP, FIREWALL), Attachment("c1", pod.path, capabilities=GIVEN))
    now = conflist(*CHANGES[change](host))
    if command == "DEL":
        runtime.delete(now, Attachment("c1", pod.path))
    else:
        assert runtime.collect(now, []) == []
    assert host.state() == empty
    assert [item["ifname"] for item in pod.ip("link")] == ["lo"]


def test_a_cache_without_a_list_is_no_obstacle(host, runtime, empty):
    pod = host.pod()
    network = conflist(bridge(host))
    runtime.add(network, Attachment("c1", pod.path))
    (path,) = [os.path.join(runtime.cache, "results", name) for name in os.listdir(f"{runtime.cache}/results")]
    with open(path, "r+", encoding="utf-8") as file:
        content = file.read().replace('"config": "', '"config": "?')
        file.seek(0)
        file.write(content)
    runtime.delete(network, Attachment("c1", pod.path))
    assert host.state() == empty


def test_drop_in_plugins_of_the_time_of_add(host, runtime, empty):
    """Their files may be gone by the time of DEL."""
    pod = host.pod()
    content = {"cniVersion": "1.1.0", "name": "net", "plugins": [bridge(host)]}
    runtime.add(Conflist(content, drop_ins=lambda _name: [PORTMAP]), Attachment("c1", pod.path, capabilities=GIVEN))
    assert "hostport" in str(host.netns.nft())
    runtime.delete(Conflist(content), Attachment("c1", pod.path))
    assert host.state() == empty


@pytest.mark.parametrize("plugin", ["bridge", "ptp"])
def test_gc_removes_what_no_list_names_any_more(host, empty, plugin):
    """By a runtime that has no cache of ours; an attachment that is valid keeps everything."""
    first = {**bridge(host), "type": plugin, "cniVersion": "1.1.0", "name": "net"}
    for number, container in enumerate(("dead", "valid")):
        pod = host.pod()
        result = host.call(plugin, "ADD", first, container, pod)
        ports = {"portMappings": [{**PORT, "hostPort": 8000 + number}]}
        conf = {"cniVersion": "1.1.0", "name": "net", "type": "portmap", "prevResult": result, "runtimeConfig": ports}
        host.call("portmap", "ADD", conf, container, pod)
        host.call("firewall", "ADD", {**conf, "type": "firewall"}, container, pod)
        if container == "dead":
            before = host.state()
    valid = [{"containerID": "valid", "ifname": "eth0"}]
    bare = {key: value for key, value in first.items() if key not in ("ipMasq", "macspoofchk")}
    host.call(plugin, "GC", {**bare, "cni.dev/valid-attachments": valid})
    kept = host.state()
    assert not [element for element in kept["elements"] if "dead eth0 net" in element]
    assert len([element for element in kept["elements"] if "valid eth0 net" in element]) == len(
        [element for element in before["elements"] if "dead eth0 net" in element]
    )
    host.call(plugin, "GC", {**bare, "cni.dev/valid-attachments": []})
    assert {**host.state(), "neighbours": []} == empty, "neighbor entries the kernel forgets by itself"


# -- host ports of owners that are gone ---------------------------------------------------------------------------


def portmap(result):
    return {"cniVersion": "1.1.0", "name": "net", "type": "portmap", "prevResult": result, "runtimeConfig": GIVEN}


def attach(host, container):
    """A pod with the host port: (pod, portmap's configuration)."""
    pod = host.pod()
    conf = portmap(host.call("bridge", "ADD", host.conf(isDefaultGateway=True), container, pod))
    host.call("portmap", "ADD", conf, container, pod)
    return pod, conf


@pytest.mark.parametrize("how", ["DEL without portmap", "namespace gone"])
def test_the_port_of_an_owner_that_is_gone_is_free(host, how):
    pod, _conf = attach(host, "c1")
    if how == "namespace gone":
        subprocess.run(["ip", "netns", "delete", pod.name], check=True)
        for _attempt in range(100):
            if not [name for name in host.state()["links"] if name.startswith("veth")]:
                break
    else:
        host.call("bridge", "DEL", host.conf(), "c1", pod)
    other, conf = attach(host, "c2")
    elements = [element for element in host.state()["elements"] if "8080" in element]
    assert elements
    assert all("c2 eth0 net" in element for element in elements)
    host.call("portmap", "DEL", {**conf, "prevResult": None}, "c1", "/run/netns/gone")  # the dead one's, late
    host.call("portmap", "CHECK", conf, "c2", other)


@pytest.fixture
def cached():
    """A function that puts an attachment with a namespace into libcni's cache."""
    made = []

    def put(container, netns):
        os.makedirs(RESULTS, exist_ok=True)
        made.append(f"{RESULTS}/net-{container}-eth0")
        with open(made[-1], "w", encoding="utf-8") as file:
            file.write(f'{{"kind": "cniCacheV1", "netns": "{netns}"}}')

    yield put
    for path in made:
        os.unlink(path)


@pytest.mark.parametrize("alive", [True, False])
def test_an_owner_without_a_link_on_the_host_is_known_by_the_cache(host, failure, cached, alive):
    """Such as macvlan's: its ports are free when its namespace is gone."""
    host.netns.run("ip link add up0 type veth peer name up1")
    owner = f"c1-{os.getpid()}"
    pod = host.pod()
    result = host.call("macvlan", "ADD", host.conf(type="macvlan", master="up0"), owner, pod)
    host.call("portmap", "ADD", portmap(result), owner, pod)
    cached(owner, pod.path if alive else "/run/netns/gone")
    if alive:
        with pytest.raises(failure, match=f"tcp 8080 .* belongs to {owner} eth0 net"):
            attach(host, "c2")
    else:
        attach(host, "c2")


def test_a_living_owner_keeps_its_port(host, failure):
    attach(host, "c1")
    with pytest.raises(failure, match=r"tcp 8080 .* belongs to c1 eth0 net"):
        attach(host, "c2")
