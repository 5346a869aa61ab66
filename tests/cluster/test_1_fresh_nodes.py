# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fresh nodes: wrong variables are told before any node is touched; check mode has nothing to trip over."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

#: What of a node must stay as it is. Its own systemd writes to the directories that are left out.
FINGERPRINT = r"""
ip -o link | cut -d" " -f2,9-; ip -o address; ip route; ip neighbour | grep -i permanent; nft list ruleset
dpkg-query -W
sysctl -a 2>/dev/null | grep -E "^net.(ipv4|ipv6|bridge).*(forward|bridge-nf)"
find / -xdev \( -path /tmp -o -path /var/tmp -o -path /var/log -o -path /var/lib/systemd -o -path /var/cache \) -prune \
    -o -type f -printf "%p %s %T@\n" | sort
"""


@pytest.fixture
def fingerprint(lab):
    return lambda: {name: lab.node(name, FINGERPRINT) for name in lab.names}


def test_the_lab_comes_up(milestone, before):
    """`playbooks/lab/up.yml`: three machines with systemd, the third with another Debian release."""
    assert before["links"], "the host's state was taken before"
    milestone.lab("up", "-e", "lab_network=10.79.0.0/24", "-e", "lab_nodes=3")
    releases = [milestone.node(name, ". /etc/os-release; echo $VERSION_CODENAME").strip() for name in milestone.names]
    assert releases == ["bookworm", "bookworm", "trixie"]


CASES = {
    "pod network overlaps the services'": (
        {"overlay_network": "10.96.0.0/16"},
        ["overlay_network", "10.96.0.0/16", "overlaps", "control_plane_service_network 10.96.0.0/12"],
    ),
    "pod network holds the nodes": (
        {"overlay_network": "10.79.0.0/16"},
        ["overlay_network", "10.79.0.0/16", "10.79.0.11", "node1"],
    ),
    "service network holds the nodes": (
        {"control_plane_service_network": "10.79.0.0/16"},
        ["control_plane_service_network", "10.79.0.0/16", "10.79.0.11"],
    ),
    "pod network too small": (
        {"overlay_network": "10.244.0.0/23"},
        ["overlay_network", "10.244.0.0/23", "3 nodes", "/22 or wider"],
    ),
    "unknown back end": ({"overlay_backend": {"type": "gre"}}, ["overlay_backend.type", "'gre'", "vxlan, host-gw"]),
    "unknown release": ({"kubernetes_release": "1.99"}, ["kubernetes_release", "1.99"]),
    "archive missing": (
        {"kubernetes_source": "archive", "kubernetes_archive_remote": False, "kubernetes_archive": "/nowhere/archive"},
        ["kubernetes_archive", "/nowhere/archive"],
    ),
    "archive missing on the nodes": ({"kubernetes_archive": "/srv/nowhere"}, ["kubernetes_archive", "/srv/nowhere"]),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_touches_no_node(lab, fingerprint, case):
    variables, told = CASES[case]
    refused(lab, fingerprint, told, "-e", json.dumps(variables))


def test_two_nodes_with_one_address_touch_no_node(lab, fingerprint, tmp_path):
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"workers": {"hosts": {"node3": {"node_address": "10.79.0.12"}}}}))
    refused(
        lab,
        fingerprint,
        ["node_address", "10.79.0.12", "node2", "node3"],
        "-i",
        "inventories/lab",
        "-i",
        str(inventory),
    )


def test_an_interface_that_is_not_there_touches_no_node(lab, fingerprint, tmp_path):
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"workers": {"hosts": {"node2": {"node_interface": "eth9"}}}}))
    refused(lab, fingerprint, ["node_interface", "eth9", "eth0"], "-i", "inventories/lab", "-i", str(inventory))


def test_an_archive_with_a_wrong_checksum_touches_no_node(lab, fingerprint, tmp_path):
    """A copy of the lab's archive in which one file has one byte too many."""
    original = archive(lab)
    copy = tmp_path / "archive"
    shutil.copytree(original, copy, copy_function=link)
    changed = copy / "images/pause.tar"
    content = changed.read_bytes()
    changed.unlink()
    changed.write_bytes(content + b"\0")
    variables = {"kubernetes_source": "archive", "kubernetes_archive_remote": False, "kubernetes_archive": str(copy)}
    refused(lab, fingerprint, ["kubernetes_archive", "images/pause.tar", "SHA256SUMS"], "-e", json.dumps(variables))


def archive(lab) -> Path:
    """The controller's directory that the lab's nodes see as /srv/kubernetes."""
    state = json.loads(Path("/run/podnet-lab/proof.json").read_text())
    for bind in state["nodes"][0]["binds"]:
        source, _colon, target = bind.removeprefix("ro:").partition(":")
        if target == "/srv/kubernetes":
            return Path(source)
    pytest.skip("this lab takes Kubernetes from a repository, so there is no archive to spoil")


def link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def refused(lab, fingerprint, told, *arguments):
    """site.yml fails with all of ``told`` in what it says, and the nodes are as they were."""
    untouched = fingerprint()
    run = lab.play("site", *arguments, expect=None)
    assert run.status != 0, run.output
    text = " ".join(run.output.split())
    assert [part for part in told if part not in text] == [], run.output
    assert "Traceback" not in run.output
    assert run.changed == {}
    assert fingerprint() == untouched


def test_check_mode_on_fresh_nodes(lab, fingerprint):
    untouched = fingerprint()
    run = lab.play("site", "--check", "--diff")
    assert sorted(set(run.recap) - {"localhost"}) == list(lab.names)
    assert fingerprint() == untouched
