# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules about back end wireguard, as the roles call them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess

import pytest

KEY = "pOCSkrZRwni5dyxWn1+puxPZBrRqtoyd+dwrRAn4ogk="
LEASES = [
    {"name": "node1", "address": "192.0.2.1", "pod_cidrs": ["10.244.0.0/24"]},
    {"name": "node2", "address": "192.0.2.2", "pod_cidrs": ["10.244.1.0/24"], "public_key": KEY},
]


@pytest.fixture
def node(netns):
    netns.run("ip link add eth0 type veth peer name other")
    netns.run("ip link set other up")
    netns.run("ip link set eth0 up")
    netns.run("ip address add 192.0.2.1/24 dev eth0")
    return netns


@pytest.fixture
def arguments(tmp_path):
    """What module overlay is given for the back end, all its files below a directory of the test's."""
    backend = {"type": "wireguard", "private_key_file": str(tmp_path / "state" / "key")}
    return {
        "config": {"node_name": "node1", "networks": ["10.244.0.0/16"], "backend": backend},
        "leases": LEASES,
        "directory": str(tmp_path / "etc"),
        "subnet_env": str(tmp_path / "run" / "subnet.env"),
    }


def test_a_key_is_made_once_and_its_private_half_is_told_nowhere(run_module, tmp_path):
    path = tmp_path / "state" / "key"
    result = run_module(None, "wireguard_key", check=True, path=str(path))
    assert result["changed"] and result["public_key"] is None and not path.exists()
    made = run_module(None, "wireguard_key", path=str(path))
    assert made["changes"] == [f"write file {path}"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    again = run_module(None, "wireguard_key", path=str(path))
    assert not again["changed"] and again["public_key"] == made["public_key"]
    assert path.read_text().strip() not in json.dumps([made, again])
    if shutil.which("wg"):
        told = subprocess.run(["wg", "pubkey"], input=path.read_text(), capture_output=True, text=True, check=True)
        assert told.stdout.strip() == made["public_key"]
    path.write_text("mine\n")
    assert f"{path}: is not a WireGuard key" in run_module(None, "wireguard_key", fails=True, path=str(path))["msg"]
    assert path.read_text() == "mine\n"


def test_a_node_that_was_not_asked_keeps_the_key_that_was_told_before(run_module, tmp_path):
    known = tmp_path / "leases.json"
    known.write_text(json.dumps({"leases": LEASES}))
    nodes = [{"name": "node1", "address": "192.0.2.1", "public_key": KEY}, {"name": "node2", "address": "192.0.2.2"}]
    result = run_module(
        None, "pod_cidrs_info", source="allocator", nodes=nodes, networks=["10.244.0.0/16"], leases_file=str(known)
    )
    assert [lease["public_key"] for lease in result["leases"]] == [KEY, KEY]


def test_a_kernel_without_it_is_told_before_anything_is_done(run_module, node, arguments, tmp_path):
    if "Unknown device type" not in node.run("ip link add wg0 type wireguard", check=False).stderr:
        pytest.skip("this kernel has wireguard")
    before = [link["ifname"] for link in node.ip("link")]
    message = f"this kernel ({os.uname().release}) has no wireguard"
    assert f"backend.type: wireguard: {message}" in run_module(node, "overlay", fails=True, **arguments)["msg"]
    assert [link["ifname"] for link in node.ip("link")] == before and list(tmp_path.iterdir()) == []


def test_it_comes_and_goes_with_its_key(run_module, needs, node, arguments, tmp_path):
    needs("wireguard")
    assert run_module(node, "overlay", check=True, **arguments)["changed"] and list(tmp_path.iterdir()) == []
    made = run_module(node, "overlay", **arguments)
    assert made["device"] == "flannel-wg" and made["mtu"] == 1440
    private = (tmp_path / "state" / "key").read_text().strip()
    own, peer = node.run("wg show flannel-wg dump").stdout.splitlines()
    assert own.split("\t")[0] == private and peer.split("\t")[0] == KEY
    assert peer.split("\t")[3].split(",") == ["10.244.1.0/24", "192.0.2.2/32"]
    assert not run_module(node, "overlay", **arguments)["changed"]
    paths = {name: arguments[name] for name in ("directory", "subnet_env")}
    gone = run_module(node, "overlay", state="absent", **paths)
    assert private not in json.dumps([made, gone])
    assert not node.ip("link show type wireguard") and not list(tmp_path.rglob("key"))
    assert not run_module(node, "overlay", state="absent", **paths)["changed"]
