# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module cni_attachment: the runtime's side from a playbook, on the installed plugins."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import install


@pytest.fixture(scope="module")
def bin_dir(tmp_path_factory):
    root = tmp_path_factory.mktemp("podnet")
    install.install(install.read_tree(os.path.dirname(install.__file__)), str(root))
    return root / "current/bin"


@pytest.fixture
def attach(run_module, make_netns, bin_dir, tmp_path):
    """The module in a host, for one pod; ``attach.host``, ``attach.pod``, ``attach.network`` are what it works on."""
    ipam = {"type": "host-local", "dataDir": str(tmp_path / "data"), "ranges": [[{"subnet": "10.9.0.0/24"}]]}
    plugins = [
        {"type": "bridge", "bridge": "br0", "isDefaultGateway": True, "ipam": ipam},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    network = tmp_path / "net.conflist"
    network.write_text(json.dumps({"cniVersion": "1.0.0", "name": "net", "plugins": plugins}))
    host, pod = make_netns(), make_netns()

    def run(**more):
        given = {
            "conflist": str(network),
            "container_id": "c1",
            "netns": pod.path,
            "bin_dirs": [str(bin_dir)],
            "cache_dir": str(tmp_path / "cache"),
            "capabilities": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]},
        }
        return run_module(host, "cni_attachment", **{**given, **more})

    run.host, run.pod, run.network = host, pod, network
    return run


def test_connected_once_and_disconnected_once(attach):
    planned = attach(check=True)
    assert planned["changed"]
    assert [link["ifname"] for link in attach.pod.ip("link")] == ["lo"]
    done = attach()
    assert done["changed"]
    (address,) = [item["local"] for item in attach.pod.ip("-4 address show dev eth0")[0]["addr_info"]]
    assert done["result"]["ips"][0]["address"] == f"{address}/24"
    assert json.loads(done["diff"][0]["after"]) == done["result"]
    again = attach()
    assert (again["changed"], again["result"]) == (False, done["result"])
    assert not attach(state="checked")["changed"]
    assert "hostports4" in [
        item["map"]["name"] for item in attach.host.nft() if "map" in item and item["map"].get("elem")
    ]
    assert attach(state="absent", check=True)["changed"]
    assert attach.pod.ip("link show dev eth0")
    gone = attach(state="absent", capabilities={})  # what ADD was given is in the cache
    assert (gone["changed"], gone["result"], gone["diff"][0]["after"]) == (True, {}, "")
    assert [link["ifname"] for link in attach.pod.ip("link")] == ["lo"]
    assert not [item for item in attach.host.nft() if "map" in item and item["map"].get("elem")]
    assert not attach(state="absent")["changed"]


def test_damage_is_told_and_repaired(attach):
    attach()
    attach.pod.run("ip address flush dev eth0")
    assert "10.9.0.2/24" in attach(state="checked", fails=True)["msg"]
    planned = attach(check=True)
    assert (planned["changed"], "10.9.0.2/24" in planned["damaged"]) == (True, True)
    assert attach()["changed"]
    assert not attach(state="checked")["changed"]


def test_other_ports_are_wanted(attach):
    attach()
    other = {"portMappings": [{"hostPort": 9090, "containerPort": 80, "protocol": "tcp"}]}
    planned = attach(check=True, capabilities=other)
    assert (planned["changed"], "8080" in planned["damaged"]) == (True, True)
    assert attach(capabilities=other)["changed"]
    (ports,) = [item["map"]["elem"] for item in attach.host.nft() if item.get("map", {}).get("name") == "hostports4"]
    assert [key["elem"]["val"]["concat"][1] for key, _to in ports] == [9090]
    assert not attach(capabilities=other)["changed"]
    assert not attach(capabilities={})["changed"]  # as it was given


def test_gone_namespace_is_no_obstacle_to_absent(attach, tmp_path):
    attach()
    assert attach(state="absent", netns="/run/netns/gone")["changed"]
    assert not [name for name in os.listdir(tmp_path / "data/net") if name[0].isdigit()]
    assert attach(state="absent", netns=None)["changed"] is False


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"container_id": "../c"}, "container_id"),
        ({"interface": "a/b"}, "interface"),
        ({"conflist": "/none.conflist"}, "/none.conflist"),
        ({"netns": "/run/netns/none"}, "/run/netns/none"),
        ({"netns": None}, "netns"),
        ({"state": "checked"}, "is not connected to net"),
        ({"bin_dirs": ["/none"]}, "failed to find plugin 'bridge'"),
        ({"capabilities": {"portMappings": [{"hostPort": 0}]}}, "hostPort"),
    ],
)
def test_refused(attach, more, word):
    assert word in attach(fails=True, **more)["msg"]
    assert [link["ifname"] for link in attach.pod.ip("link")] == ["lo"]


def test_plugins_error_has_its_code(attach):
    content = json.loads(attach.network.read_text())
    content["plugins"][0]["ipam"]["ranges"] = [[{"subnet": "10.9.0.0/30"}]]
    attach.network.write_text(json.dumps(content))
    attach(capabilities={})
    full = attach(container_id="c2", interface="eth1", capabilities={}, fails=True)
    assert full["code"] == 11
    assert "no IP addresses available" in full["msg"]
