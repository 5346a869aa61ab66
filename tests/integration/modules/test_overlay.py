# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules overlay and pod_cidrs, as the role calls them."""

from __future__ import annotations

import json
import os

import pytest

LEASES = [
    {"name": "node1", "address": "192.0.2.1", "pod_cidrs": ["10.244.0.0/24"]},
    {"name": "node2", "address": "192.0.2.2", "pod_cidrs": ["10.244.1.0/24"]},
    {"name": "node3", "address": "192.0.2.2", "pod_cidrs": ["10.244.2.0/24"]},
]
CONFIG = {"node_name": "node1", "networks": ["10.244.0.0/16"]}
NODES = [{"name": f"node{number}", "address": f"192.0.2.{number}"} for number in (1, 2, 3)]


@pytest.fixture
def node(netns):
    netns.run("ip link add eth0 type veth peer name other")
    for name in ("eth0", "other"):  # no link-local addresses, which come when they like
        netns.run(f"ip link set {name} addrgenmode none")
    netns.run("ip link set other up")
    netns.run("ip link set eth0 up")
    netns.run("ip address add 192.0.2.1/24 dev eth0")
    netns.sysctl("net.ipv4.ip_forward", "0")
    return netns


@pytest.fixture
def paths(tmp_path) -> dict[str, str]:
    return {"directory": str(tmp_path / "etc"), "subnet_env": str(tmp_path / "run" / "subnet.env")}


def foreign_state(node) -> None:
    """What others may have made on the node, and nobody but them may take away."""
    node.run("ip link add br-other type bridge")
    node.run("ip link set br-other addrgenmode none")
    node.run("ip address add 172.18.0.1/16 dev br-other")
    node.run("ip link set br-other up")
    node.run("ip link add flannel.99 type vxlan id 99 local 192.0.2.1 dev eth0 dstport 4789 nolearning")
    node.run("ip link set flannel.99 addrgenmode none")
    node.run("ip link set flannel.99 up")
    node.run("ip neigh add 172.20.0.1 lladdr 02:00:00:00:00:99 dev flannel.99 nud permanent")
    node.run("bridge fdb append 02:00:00:00:00:99 dev flannel.99 dst 192.0.2.99")
    node.run("ip route add 10.244.99.0/24 via 192.0.2.99")
    node.run("ip route add 10.99.0.0/16 via 192.0.2.99 proto 12")
    node.run("nft add table inet other")
    node.run("nft add chain inet other input '{ type filter hook input priority 0; policy accept; }'")


def seen(node) -> str:
    """What the kernel has, without carrier states, which come when they like."""
    links = [[link.get(key) for key in ("ifname", "address", "mtu", "ifalias", "master")] for link in node.ip("link")]
    addresses = [link["addr_info"] for link in node.ip("address")]
    state = [links, addresses, node.ip("route"), node.ip("neigh show nud permanent"), node.nft()]
    state.append([entry for entry in node.bridge("fdb") if "dst" in entry])
    return json.dumps(state)


def test_check_mode_on_a_fresh_node_predicts_all_and_does_nothing(run_module, node, paths, tmp_path):
    before = seen(node)
    result = run_module(node, "overlay", check=True, config=CONFIG, leases=LEASES, **paths)
    assert result["changed"] and "add link flannel.1" in result["changes"]
    assert f"write file {paths['directory']}/overlay.json" in result["changes"]
    assert seen(node) == before and list(tmp_path.iterdir()) == []
    (unknown,) = run_module(node, "overlay", check=True, **paths)["changes"]
    assert f"{paths['directory']}/overlay.json" in unknown and "which do not exist yet" in unknown


def test_present_again_and_absent(run_module, node, paths, tmp_path):
    foreign_state(node)
    before = seen(node)
    done = run_module(node, "overlay", config=CONFIG, leases=LEASES, **paths)
    assert done["changed"] and (done["device"], done["mtu"]) == ("flannel.1", 1450)
    assert [peer["name"] for peer in done["peers"]] == ["node2"]
    refused = done["refused"]["node3"]
    assert (list(done["refused"]), refused["code"]) == (["node3"], "lease.taken")
    assert refused["parameters"] == {"key": "address", "value": "192.0.2.2", "other": "node2"}
    assert any("lease of node3 refused" in warning for warning in map(str, done["warnings"]))
    diffs = {part["after_header"]: part["after"] for part in done["diff"]}
    assert "link name=flannel.1" in diffs["kernel"]
    assert '"vni": 1' in diffs[f"{paths['directory']}/overlay.json"] and "nftables" in diffs
    assert json.loads((tmp_path / "etc" / "leases.json").read_text()) == {"leases": LEASES}
    for arguments in ({"config": CONFIG, "leases": LEASES}, {}):
        again = run_module(node, "overlay", **arguments, **paths)
        assert not again["changed"] and again["diff"] == []
    node.run("ip route del 10.244.1.0/24")
    assert run_module(node, "overlay", **paths)["changes"] == ["add route 10.244.1.0/24"]
    assert run_module(node, "overlay", check=True, state="absent", **paths)["changed"]
    gone = run_module(node, "overlay", state="absent", **paths)
    assert "delete link flannel.1" in gone["changes"] and "delete table inet podnet" in gone["changes"]
    assert not run_module(node, "overlay", state="absent", **paths)["changed"]
    assert seen(node) == before and list(tmp_path.iterdir()) == []
    assert node.sysctl("net.ipv4.ip_forward") == "1"


def test_checksum_offload_is_auto_or_a_boolean(run_module, node, paths, tmp_path):
    for value, kept, changed in (
        ("auto", "auto", True),
        (False, False, True),
        (True, True, True),
        ("auto", "auto", False),
    ):
        config = {**CONFIG, "backend": {"checksum_offload": value}}
        told = run_module(node, "overlay", config=config, leases=LEASES, **paths)["changes"]
        assert json.loads((tmp_path / "etc/overlay.json").read_text())["backend"]["checksum_offload"] == kept
        assert any("checksum offload" in line for line in told) == changed, told


def test_other_leases_change_what_differs_only(run_module, node, paths):
    run_module(node, "overlay", config=CONFIG, leases=LEASES, **paths)
    result = run_module(node, "overlay", config=CONFIG, leases=LEASES[:1], **paths)
    changed = [line.split() for line in result["changes"]]
    assert [words[:2] for words in changed[:-1]] == [
        ["change", "file"],
        ["delete", "neighbour"],
        ["delete", "fdb"],
        ["delete", "route"],
    ]
    assert changed[-1][:3] == ["change", "set", "peers4"]
    assert "10.244.1." not in seen(node)


def test_peers_that_the_agent_knows_are_left_to_it(run_module, node, paths):
    """node2 is in the inventory, and its agent says another MAC address; node7 only the API knows."""
    arguments = {"config": CONFIG, "leases": LEASES[:2], "peers": "agent", **paths}
    first = run_module(node, "overlay", **arguments)
    assert "add link flannel.1" in first["changes"] and first["peers"] == []
    for number in (1, 7):
        node.run(f"ip neigh add 10.244.{number}.0 lladdr 02:00:00:00:00:0{number} dev flannel.1 nud permanent")
        node.run(f"bridge fdb append 02:00:00:00:00:0{number} dev flannel.1 dst 192.0.2.{number}7")
        node.run(f"ip route add 10.244.{number}.0/24 via 10.244.{number}.0 dev flannel.1 onlink proto 112")
    node.run("nft add element inet podnet peers4 { 192.0.2.77 }")
    node.run("nft add element inet podnet overlay_ports { 8472 }")

    def ways() -> list:
        neighbours = [each for each in node.ip("neigh show dev flannel.1") if "PERMANENT" in each["state"]]
        nodes = [node.nft(f"list set inet podnet {name}") for name in ("peers4", "overlay_ports")]
        return [node.ip("route show proto 112"), neighbours, node.bridge("fdb show dev flannel.1"), nodes]

    before = ways()
    assert not run_module(node, "overlay", **arguments)["changed"]
    node.run("ip link set flannel.1 mtu 1400")
    node.run("nft flush set inet podnet pod_networks4")
    assert run_module(node, "overlay", check=True, **arguments)["changed"]
    changes = run_module(node, "overlay", **arguments)["changes"]
    assert [line.split()[:2] for line in changes] == [["change", "link"], ["change", "set"]]
    assert ways() == before and not os.path.exists(paths["subnet_env"])


@pytest.mark.parametrize(
    ("config", "leases", "words"),
    [
        ({**CONFIG, "networks": ["10.244.0.0/99"]}, LEASES, "networks: '10.244.0.0/99' is not an address block"),
        ({**CONFIG, "backend": {"vni": 0}}, LEASES, "backend.vni: 0 is not an integer from 1"),
        ({**CONFIG, "backend": {"type": "ipip"}}, LEASES, "must be one of: vxlan, host-gw, wireguard, got: ipip"),
        ({**CONFIG, "backend": {"mtu": 1451}}, LEASES, "backend.mtu: 1451 does not fit eth0"),
        ({**CONFIG, "node_name": "node9"}, LEASES, "node9, this node, has no lease"),
        (
            CONFIG,
            [{**LEASES[0], "address": "192.0.2.99"}],
            "is on none of its interfaces; there is 192.0.2.1/24 on eth0",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_done(run_module, node, paths, tmp_path, config, leases, words):
    before = seen(node)
    assert words in run_module(node, "overlay", fails=True, config=config, leases=leases, **paths)["msg"]
    assert seen(node) == before and list(tmp_path.iterdir()) == []


def test_without_files_and_arguments_it_says_who_writes_them(run_module, node, paths):
    assert "overlay.json: file does not exist" in run_module(node, "overlay", fails=True, **paths)["msg"]


def test_pod_cidrs_of_the_allocator_stay_where_they_are(run_module, tmp_path):
    file = tmp_path / "leases.json"
    arguments = {"source": "allocator", "networks": ["10.244.0.0/16"], "leases_file": str(file)}
    first = run_module(None, "pod_cidrs_info", nodes=NODES, **arguments)
    assert not first["changed"]
    assert first["pod_cidrs"] == {f"node{number}": [f"10.244.{number - 1}.0/24"] for number in (1, 2, 3)}
    assert first["leases"][1] == {"name": "node2", "address": "192.0.2.2", "pod_cidrs": ["10.244.1.0/24"]}
    file.write_text(json.dumps({"leases": first["leases"]}))
    later = run_module(None, "pod_cidrs_info", nodes=[NODES[2], {"name": "new", "address": "192.0.2.9"}], **arguments)
    assert later["pod_cidrs"] == {"node3": ["10.244.2.0/24"], "new": ["10.244.3.0/24"]}


def test_pod_cidrs_keeps_off_services_and_does_dual_stack(run_module, tmp_path):
    result = run_module(
        None, "pod_cidrs_info", nodes=NODES[:1], source="allocator", networks=["10.96.0.0/11", "fd00::/48"],
        services=["10.96.0.0/12"], leases_file=str(tmp_path / "none"), node_prefix=26,
    )  # fmt: skip
    assert result["pod_cidrs"] == {"node1": ["10.112.0.0/26", "fd00::/64"]}


def test_pod_cidrs_of_the_api_win_and_the_rest_is_predicted_in_check_mode(run_module, tmp_path):
    kubectl = tmp_path / "kubectl"
    nodes = [{"metadata": {"name": "node2"}, "spec": {"podCIDRs": ["10.244.0.0/24"]}}]
    kubectl.write_text(f"#!/bin/sh\ncat <<END\n{json.dumps({'items': nodes})}\nEND\n")
    kubectl.chmod(0o755)
    arguments = {"nodes": NODES, "networks": ["10.244.0.0/16"], "kubectl": str(kubectl), "timeout": 0}
    predicted = run_module(None, "pod_cidrs_info", check=True, **arguments)
    assert predicted["pod_cidrs"]["node2"] == ["10.244.0.0/24"] and predicted["predicted"] == ["node1", "node3"]
    failed = run_module(None, "pod_cidrs_info", fails=True, **arguments)
    assert "these nodes have no .spec.podCIDRs: node1, node3" in failed["msg"]


def test_pod_cidrs_in_check_mode_on_a_node_without_kubectl(run_module):
    arguments = {"nodes": NODES, "networks": ["10.244.0.0/16"], "kubectl": "/nowhere/kubectl", "timeout": 0}
    result = run_module(None, "pod_cidrs_info", check=True, **arguments)
    assert result["predicted"] == ["node1", "node2", "node3"]
    assert "/nowhere/kubectl: No such file" in run_module(None, "pod_cidrs_info", fails=True, **arguments)["msg"]


def test_pod_cidrs_leaves_out_who_is_not_required_and_takes_addresses_from_the_api(run_module, tmp_path):
    kubectl = tmp_path / "kubectl"
    dead = {"metadata": {"name": "node2"}, "spec": {"podCIDRs": ["10.244.1.0/24"]}}
    dead["status"] = {"addresses": [{"type": "InternalIP", "address": "192.0.2.2"}]}
    alive = {"metadata": {"name": "node1"}, "spec": {"podCIDRs": ["10.244.0.0/24"]}}
    kubectl.write_text(f"#!/bin/sh\ncat <<END\n{json.dumps({'items': [dead, alive]})}\nEND\n")
    kubectl.chmod(0o755)
    nodes = [NODES[0], {"name": "node2"}, {"name": "node3"}]
    arguments = {"nodes": nodes, "networks": ["10.244.0.0/16"], "kubectl": str(kubectl), "timeout": 0}
    result = run_module(None, "pod_cidrs_info", required=["node1"], **arguments)
    assert [(lease["name"], lease["address"]) for lease in result["leases"]] == [
        ("node1", "192.0.2.1"),
        ("node2", "192.0.2.2"),
    ]
    assert result["left_out"] == ["node3"] and result["warnings"]
    assert "node3" in run_module(None, "pod_cidrs_info", fails=True, **arguments)["msg"]


def test_pod_cidrs_needs_an_address_of_each_required_node(run_module, tmp_path):
    file = str(tmp_path / "none")
    arguments = {
        "source": "allocator",
        "networks": ["10.244.0.0/16"],
        "leases_file": file,
        "nodes": [{"name": "node1"}],
    }
    assert "node1 has no address" in run_module(None, "pod_cidrs_info", fails=True, **arguments)["msg"]
    assert run_module(None, "pod_cidrs_info", required=[], **arguments)["left_out"] == ["node1"]
