# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab may be, and what bringing it up would take; nothing is made."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.lab import machine, network, state

from .conftest import lab


def test_nodes_of_a_lab_with_both_ip_versions():
    made = lab(network6="fd00:77::/64")
    assert [node.address6 for node in made.nodes] == ["fd00:77::b", "fd00:77::c"]
    assert state.Lab(**json.loads(json.dumps(made.as_dict()))).as_dict() == made.as_dict()
    with pytest.raises(state.LabError, match="fd00:77::/64"):
        lab(network6="10.98.1.0/24")


@pytest.mark.parametrize("network", ["10.96.0.1/12", "fd00:96::/112"])
def test_an_unrouted_network_is_of_ipv4(network):
    with pytest.raises(state.LabError, match="give IPv4 networks"):
        lab(unrouted=[network])


def test_a_node_that_does_not_boot_is_given_the_lab_s_time(tmp_path, monkeypatch):
    made = lab(boot_timeout=0.3)
    monkeypatch.setattr(made, "path", lambda _node, _name: str(tmp_path / "console.log"))
    monkeypatch.setattr(machine, "supervisor", lambda *_: 1)
    monkeypatch.setattr(machine, "leader", lambda *_: None)
    (tmp_path / "console.log").write_text("Kernel panic\n")
    began = time.monotonic()
    with pytest.raises(state.LabError, match=r"has not booted .*\nKernel panic"):
        machine.wait_ready(made, made.nodes[0])
    assert 0.3 <= time.monotonic() - began < 5


def test_nodes_get_names_addresses_and_systems_in_turn():
    made = lab(count=3)
    assert [(node.name, node.address, node.layers) for node in made.nodes] == [
        ("node1", "10.98.0.11", "/bookworm"),
        ("node2", "10.98.0.12", "/trixie"),
        ("node3", "10.98.0.13", "/bookworm"),
    ]
    assert {node.address6 for node in made.nodes} == {""}
    assert made.gateway == "10.98.0.1"
    assert len(made.host_link) <= 15


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "Lab_1"}, "lab name 'Lab_1' is not at most 10 lower-case letters and digits"),
        ({"name": "elevenchars"}, "lab name 'elevenchars'"),
        ({"subnet": "10.97.0.1/24"}, "10.97.0.1/24 has host bits set: give an IPv4 network such as 10.77.0.0/24"),
        ({"subnet": "fd00::/64"}, "give an IPv4 network"),
        ({"count": 300}, "300 nodes: lab network 10.98.0.0/24 has room for 244"),
        ({"subnet": "10.98.0.0/29"}, "2 nodes: lab network 10.98.0.0/29 has room for 0"),
        ({"count": 0}, "a lab has at least 1"),
        ({"systems": []}, "no root file systems"),
    ],
)
def test_bad_input_is_named(wrong, message):
    with pytest.raises(state.LabError) as caught:
        lab(**wrong)
    assert message in str(caught.value)


def test_the_largest_lab_stays_below_the_broadcast_address():
    assert lab(count=244).nodes[-1].address == "10.98.0.254"


def test_a_lab_is_recorded_and_read_again():
    made = lab(variables={"kubernetes_release": "1.20.2"})
    made.save()
    assert state.get("probe").as_dict() == made.as_dict()
    assert state.names() == ["probe"]
    with pytest.raises(state.LabError, match=r"no lab 'other' is up .* labs: probe"):
        state.get("other")
    with pytest.raises(state.LabError, match="no node 'node9'; it has node1, node2"):
        made.node("node9")


def test_mac_addresses_are_local_unicast_and_their_own():
    addresses = {network.mac("probe", f"node{number}") for number in range(200)}
    assert len(addresses) == 200
    assert all(int(address[:2], 16) & 3 == 2 for address in addresses)


def test_builders_ask_for_root_and_sane_arguments(root, tmp_path):
    def run(*command):
        environment = {**os.environ, "PODNET_CACHE": str(tmp_path)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    build = f"{root}/roles/lab/files/build_root.py"
    assert "usage: build_root.py" in run(build, "bookworm", "huge").stderr
    assert run(build, "--cached", "bookworm", "bare").stdout == "\n"
    modules = f"{root}/roles/kubernetes/files/build_modules.py"
    assert "give one of 1.36, 1.37" in run(modules, "1.20").stderr
    assert run(modules, "--cached").stdout == "\n"
    assert list(tmp_path.iterdir()) == []
