# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input is told before any node is touched: the variable, the value, and what would be right; all of it at once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import BACKENDS
from ansible_collections.podnet.cluster.plugins.module_utils.provision import checks
from ansible_collections.podnet.cluster.plugins.modules.preflight import VARIABLES

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def variables():
    """The variables of a cluster that is right."""
    return {**VARIABLES, "overlay_backend": {"type": "vxlan"}, "kubernetes_release": "1.35"}


def nodes(*addresses, names=None):
    """Nodes with these addresses, the first one the control plane."""
    return [
        {
            "host": f"host{number}",
            "name": (names or {}).get(number, f"node{number}"),
            "address": address,
            "control_plane": number == 1,
        }
        for number, address in enumerate(addresses, 1)
    ]


THREE = nodes("10.77.0.11", "10.77.0.12", "10.77.0.13")


def told(variables, of=THREE):
    """Variable and message of each problem."""
    return [(problem.variable, problem.message) for problem in checks.check(variables, of).problems]


def the_one(variables, of=THREE):
    """The variable and the message of the only problem there is."""
    found = told(variables, of)
    assert len(found) == 1, found
    return found[0]


def test_a_right_cluster_has_no_problem(variables):
    outcome = checks.check(variables, THREE)
    assert outcome.problems == []
    assert outcome.release.minor == 35


def test_addresses_may_be_left_to_be_found(variables):
    assert told(variables, nodes(None, None)) == []


@pytest.mark.parametrize(
    ("changed", "variable", "value", "right"),
    [
        ({"overlay_network": "10.96.0.0/16"}, "overlay_network", "10.96.0.0/16", "no address in common"),
        ({"overlay_network": "10.77.0.0/16"}, "overlay_network", "10.77.0.0/16", "a network that no node is in"),
        (
            {"control_plane_service_network": "10.77.0.0/24"},
            "control_plane_service_network",
            "10.77.0.0/24",
            "a network that no node is in",
        ),
        ({"overlay_network": "10.244.0.0/23"}, "overlay_network", "10.244.0.0/23", "give a network of /22 or wider"),
        ({"overlay_network": "10.244.1.0/16"}, "overlay_network", "10.244.1.0/16", "10.244.0.0/16"),
        ({"overlay_network": "ten"}, "overlay_network", "'ten'", "10.244.0.0/16"),
        ({"overlay_network": 10}, "overlay_network", "10", "10.244.0.0/16"),
        ({"overlay_network": "10.244.0.0/16,10.245.0.0/16"}, "overlay_network", "10.245.0.0/16", "one of each"),
        (
            {"control_plane_service_network": "10.96.0.0"},
            "control_plane_service_network",
            "'10.96.0.0'",
            "10.244.0.0/16",
        ),
        (
            {"control_plane_service_network": "10.0.0.0/9"},
            "control_plane_service_network",
            "10.0.0.0/9",
            "prefix length",
        ),
        ({"overlay_node_prefix": 12}, "overlay_node_prefix", "12", "from 16 to 30"),
        ({"overlay_node_prefix": "24"}, "overlay_node_prefix", "'24'", "an integer from 16 to 30"),
        ({"overlay_node_prefix": True}, "overlay_node_prefix", "True", "an integer from 16 to 30"),
        ({"overlay_backend": {"type": "ipip"}}, "overlay_backend.type", "'ipip'", ", ".join(BACKENDS)),
        ({"overlay_backend": "vxlan"}, "overlay_backend", "'vxlan'", "type"),
        ({"overlay_backend": {"vni": 1 << 24}}, "overlay_backend", "16777216", "16777215"),
        ({"kubernetes_release": "1.99"}, "kubernetes_release", "'1.99'", "1.37"),
        ({"kubernetes_release": "latest"}, "kubernetes_release", "'latest'", "1.37"),
        ({"kubernetes_release": 1.3}, "kubernetes_release", "1.3", "put it in quotes"),
        ({"kubernetes_release": "1.33.5"}, "kubernetes_release", "1.33.5", "1.34"),
        (
            {"kubernetes_source": "modules", "kubernetes_release": "1.35"},
            "kubernetes_release",
            "1.35",
            "1.36.3, 1.37.2",
        ),
        ({"kubernetes_source": "modules", "kubernetes_release": "1.37.1"}, "kubernetes_release", "1.37.1", "1.37.2"),
        ({"kubernetes_source": "snap"}, "kubernetes_source", "'snap'", "repository, archive, modules"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value_and_what_would_be_right(variables, changed, variable, value, right):
    found = told({**variables, **changed})
    assert {name for name, _message in found} == {variable}
    # a network may be wrong in two ways
    assert any(value in message and right in message for _name, message in found)


def test_everything_wrong_is_told_at_once(variables):
    wrong = {
        "overlay_network": "10.77.0.0/16",
        "overlay_backend": {"type": "udp"},
        "kubernetes_release": "2.0",
        "kubernetes_source": "floppy",
    }
    found = [name for name, _message in told({**variables, **wrong}, nodes("10.77.0.11", "10.77.0.11"))]
    for variable in (
        "overlay_network",
        "overlay_backend.type",
        "kubernetes_release",
        "kubernetes_source",
        "node_address",
    ):
        assert variable in found


def test_two_nodes_with_one_address(variables):
    variable, message = the_one(variables, nodes("10.77.0.11", "10.77.0.12", "10.77.0.12"))
    assert variable == "node_address"
    assert "10.77.0.12" in message and "host2" in message and "host3" in message


def test_one_address_in_two_spellings(variables):
    assert the_one(variables, nodes("fd00::1", "fd00:0::1"))[0] == "node_address"


def test_two_nodes_with_one_name(variables):
    variable, message = the_one(variables, nodes("10.77.0.11", "10.77.0.12", names={2: "node1"}))
    assert variable == "node_name"
    assert "host1" in message and "host2" in message


@pytest.mark.parametrize("name", ["Node1", "node_1", "-node", "a" * 64, "node..1", 7])
def test_a_name_that_kubernetes_would_not_take(variables, name):
    variable, message = the_one(variables, nodes("10.77.0.11", "10.77.0.12", names={2: name}))
    assert variable == "node_name"
    assert repr(name) in message and "node1" in message


@pytest.mark.parametrize("address", ["10.77.0.256", "node1", 10, "10.77.0.1/24"])
def test_an_address_that_is_none(variables, address):
    variable, message = the_one(variables, nodes("10.77.0.11", address))
    assert variable == "node_address"
    assert repr(address) in message


def test_there_is_one_control_plane(variables):
    two = [{**node, "control_plane": True} for node in THREE[:2]]
    assert "not 2" in the_one(variables, two)[1]
    none = [{**node, "control_plane": False} for node in THREE]
    assert "not 0" in the_one(variables, none)[1]
    assert the_one(variables, [])[0] == "groups['cluster']"


def test_as_many_nodes_as_the_network_has_parts(variables):
    of = nodes(*(f"10.77.0.{number}" for number in range(1, 5)))
    assert told({**variables, "overlay_network": "10.244.0.0/22"}, of) == []


def test_dual_stack(variables):
    both = {
        "overlay_network": "10.244.0.0/16,fd00:244::/56",
        "control_plane_service_network": "10.96.0.0/12,fd00:96::/112",
    }
    assert told({**variables, **both}) == []
    assert the_one({**variables, **both, "overlay_node_prefix_ipv6": 40})[0] == "overlay_node_prefix_ipv6"


@pytest.fixture
def archive(tmp_path, variables):
    """An archive that is right; the directory."""
    for name in ("kubelet", "kubeadm", "kubectl"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(name)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/pause.tar").write_text("layers")
    manifest = {"release": "1.35.4", "images": [{"name": "registry.k8s.io/pause:3.10", "file": "images/pause.tar"}]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(tmp_path)}\n" for path in files]
    (tmp_path / "SHA256SUMS").write_text("".join(sums))
    variables.update(kubernetes_source="archive", kubernetes_archive=str(tmp_path), kubernetes_release="1.35.4")
    return tmp_path


def test_a_right_archive(archive, variables):
    outcome = checks.check(variables, THREE)
    assert outcome.problems == []
    assert outcome.archive.images == {"registry.k8s.io/pause:3.10": "images/pause.tar"}


@pytest.mark.parametrize("file", ["bin/kubelet", "images/pause.tar", "manifest.json"])
def test_a_file_with_a_wrong_checksum(archive, variables, file):
    (archive / file).write_text("{}")
    variable, message = the_one(variables)
    assert variable == "kubernetes_archive"
    assert str(archive / file) in message and "copy the archive again" in message


def test_a_file_that_is_missing(archive, variables):
    (archive / "bin/kubeadm").unlink()
    assert f"{archive}/bin/kubeadm cannot be read" in the_one(variables)[1]


def test_an_archive_that_is_missing(variables, tmp_path):
    variables.update(
        kubernetes_source="archive", kubernetes_archive=str(tmp_path / "none"), kubernetes_release="1.35.4"
    )
    variable, message = the_one(variables)
    assert variable == "kubernetes_archive"
    assert "SHA256SUMS" in message


@pytest.mark.parametrize("directory", ["", "relative/path", 7])
def test_a_directory_that_cannot_be_one(variables, directory):
    variables.update(kubernetes_source="archive", kubernetes_archive=directory, kubernetes_release="1.35.4")
    assert "not an absolute path" in the_one(variables)[1]


def test_an_archive_of_another_release(archive, variables):
    variables["kubernetes_release"] = "1.35.5"
    variable, message = the_one(variables)
    assert variable == "kubernetes_release"
    assert "1.35.4" in message and "1.35.5" in message


def test_an_archive_needs_a_patch_release(archive, variables):
    variables["kubernetes_release"] = "1.35"
    assert '"1.35.0"' in the_one(variables)[1]


def test_an_archive_that_leads_outside(archive, variables):
    with (archive / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  ../../etc/passwd\n")
    assert "inside the archive" in the_one(variables)[1]


def test_an_archive_on_the_nodes_is_theirs_to_check(variables):
    variables.update(
        kubernetes_source="archive",
        kubernetes_archive="/srv/k",
        kubernetes_archive_remote=True,
        kubernetes_release="1.35.4",
    )
    assert told(variables) == []


def test_the_defaults_are_the_roles(variables):
    defaults = {}
    for path in ROOT.glob("roles/*/defaults/main.yml"):
        defaults.update(yaml.safe_load(path.read_text()) or {})
    for name, default in VARIABLES.items():
        if name != "overlay_backend":  # the module's checks have its defaults
            assert defaults[name] == default, name


def test_the_release_that_roles_fall_back_to_is_one():
    wanted = VARIABLES["kubernetes_release"]
    for path in ROOT.glob("roles/*/*/*.yml"):
        for line in path.read_text().splitlines():
            if "kubernetes_release | default(" in line:
                assert f"kubernetes_release | default('{wanted}')" in line, path
