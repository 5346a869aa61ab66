# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory: groups as the playbooks select by them, names and addresses of nodes, names of variables."""

from __future__ import annotations

import re

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.provision import inventory
from ansible_collections.podnet.cluster.plugins.plugin_utils import role_variables

GROUPS = {"all": ["a", "b"], "ungrouped": [], "cluster": ["a", "b"], "control_plane": ["a"], "workers": ["b"]}


def groups(changed, **asked):
    """Code and subject of each finding in these groups."""
    return [(each.code, each.subject) for each in inventory.check_groups({**GROUPS, **changed}, asked)]


def test_right_groups():
    assert groups({}, new_nodes=["b"], reset_nodes=["workers"]) == []


def test_a_cluster_of_one_node_needs_no_workers():
    assert groups({"cluster": ["a"], "workers": []}) == []


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"control_plane": []}, [(Code.GROUP_EMPTY, "control_plane")]),
        ({"cluster": ["a", "b", "c"]}, [(Code.HOST_WITHOUT_ROLE, "c")]),
        ({"workers": ["b", "c"]}, [(Code.HOST_OUTSIDE_CLUSTER, "c")]),
        ({"cluster": ["b"]}, [(Code.HOST_OUTSIDE_CLUSTER, "a")]),
    ],
)
def test_wrong_groups(changed, found):
    assert groups(changed) == found


@pytest.mark.parametrize(("count", "survives"), [(1, None), (2, 0), (3, None), (4, 1), (5, None)])
def test_an_even_number_of_control_planes_is_told(count, survives):
    found = list(inventory.doubts({"control_plane": [f"n{number}" for number in range(count)]}))
    assert [(each.code, each.parameters["survives"]) for each in found] == (
        [] if survives is None else [(Code.CONTROL_PLANES_EVEN, survives)]
    )


def test_groups_of_another_collection():
    (finding,) = inventory.check_groups({"all": ["a", "b"], "kube_node": ["b"], "kube_control_plane": ["a"]}, {})
    assert (finding.code, finding.subject) == (Code.GROUP_EMPTY, "cluster, control_plane")
    assert finding.parameters["groups"] == ["kube_control_plane", "kube_node"]


def test_a_host_that_the_inventory_does_not_have():
    assert groups({}, reset_nodes=["b", "x"], node=[]) == [(Code.HOST_UNKNOWN, "x")]


def names(*given, own=()):
    """The misspelt ones of these names, and what they are taken for."""
    found = inventory.check_names(given, role_variables.known(), own)
    return {each.subject: each.parameters["nearest"] for each in found}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("overlay_netwrok", "overlay_network"),
        ("overlay_networks", "overlay_network"),
        ("overlya_backend", "overlay_backend"),
        ("kubernets_release", "kubernetes_release"),
        ("containerd_registry_mirror", "containerd_registry_mirrors"),
        ("control_plane_service_networks", "control_plane_service_network"),
        ("node_adress", "node_address"),
        ("restore_clustr", "restore_cluster"),
        ("backup_keys", "backup_key"),
    ],
)
def test_a_misspelt_variable(name, nearest):
    assert names(name) == {name: nearest}


def test_whatever_the_pages_give_a_playbook_is_known(root):
    """So that it is none misspelt, and what is nearly so is told."""
    patterns = ("README.md", "docs/*.md", "roles/*/README.md", "playbooks/*.yml")
    pages = [page for pattern in patterns for page in root.glob(pattern)]
    text = "".join(page.read_text() for page in pages)
    given = set(re.findall(r"(?<=\s-e )([a-z_]+)(?==)", text))
    assert {"backup_key", "new_nodes", "reset_confirm"} <= given <= role_variables.known()


def test_variables_of_ones_own():
    assert (
        names("node_exporter_port", "ansible_user", "_overlay_network", "overlay_network", "web_port", "worker_count")
        == {}
    )
    assert names("overlay_networks", own=["overlay_networks"]) == {}


def found(nodes):
    """Code, node, and subject of each finding of these nodes."""
    return [(each.code, each.node, each.subject) for each in inventory.check_nodes(nodes)]


def test_right_nodes(nodes):
    assert found(nodes("10.77.0.11", None, names={2: "a.b-c.example"})) == []


@pytest.mark.parametrize("name", ["Node1", "node_1", "-node", "node-", "a" * 64 + "b", "a" * 64, "node..1", "n.-a", 7])
def test_a_name_that_kubernetes_or_the_kernel_does_not_accept(nodes, name):
    assert found(nodes("10.77.0.11", "10.77.0.12", names={2: name})) == [(Code.VARIABLE_INVALID, "host2", "node_name")]


def test_a_runtime_that_is_not_known(nodes):
    one, two = nodes("10.77.0.11", "10.77.0.12")
    (finding,) = inventory.check_nodes([one, two._replace(runtime="dockerd")])
    assert (finding.code, finding.node, finding.subject) == (Code.VARIABLE_INVALID, two.host, "container_runtime")


def test_docker_with_a_version_of_cni_that_it_refuses(nodes):
    (one,) = nodes("10.77.0.11")
    newest = one._replace(cni_version="1.1.0")
    (finding,) = inventory.check_nodes([newest._replace(runtime="docker")])
    assert (finding.code, finding.node, finding.subject) == (Code.VARIABLE_INVALID, one.host, "cni_version")
    assert not [*inventory.check_nodes([newest])] and not [*inventory.check_nodes([one._replace(runtime="docker")])]


def test_a_name_longer_than_a_host_name_can_be(nodes):
    name = ".".join(["a" * 30] * 3)
    assert found(nodes("10.77.0.11", names={1: name})) == [(Code.VARIABLE_INVALID, "host1", "node_name")]


@pytest.mark.parametrize("address", ["10.77.0.256", "node1", 10, "10.77.0.1/24"])
def test_an_invalid_address(nodes, address):
    assert found(nodes("10.77.0.11", address)) == [(Code.VARIABLE_INVALID, "host2", "node_address")]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.1.1", "loopback"),
        ("169.254.1.1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("255.255.255.255", "reserved"),
        ("::1", "loopback"),
        ("fe80::1", "link-local"),
        ("ff02::1", "multicast"),
        ("::", "unspecified"),
    ],
)
def test_an_address_that_no_other_node_reaches(nodes, address, kind):
    (finding,) = inventory.check_nodes(nodes(address))
    assert (finding.code, finding.parameters["kind"]) == (Code.ADDRESS_NOT_ROUTABLE, kind)


@pytest.mark.parametrize("addresses", [("10.77.0.12", "10.77.0.12"), ("fd00::1", "fd00:0::1")])
def test_two_nodes_with_one_address(nodes, addresses):
    (finding,) = inventory.check_nodes(nodes("10.77.0.11", *addresses))
    assert (finding.code, finding.subject) == (Code.VARIABLE_DUPLICATE, "node_address")
    assert (finding.parameters["first"], finding.parameters["second"]) == ("host2", "host3")


def test_two_nodes_with_one_name(nodes):
    (finding,) = inventory.check_nodes(nodes("10.77.0.11", "10.77.0.12", names={2: "node1"}))
    assert (finding.code, finding.subject) == (Code.VARIABLE_DUPLICATE, "node_name")
