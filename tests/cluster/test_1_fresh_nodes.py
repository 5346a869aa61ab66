# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fresh nodes: wrong variables are told before any node is touched; check mode has nothing to trip over."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
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


def look(lab) -> dict[str, str]:
    return {name: lab.node(name, FINGERPRINT) for name in lab.names}


def test_the_lab_comes_up(milestone, before):
    """`playbooks/lab/up.yml`: three machines with systemd, the third with another Debian release."""
    assert before["links"], "the host's state was taken before"
    milestone.lab("up", "-e", "lab_network=10.79.0.0/24", "-e", "lab_nodes=3")
    releases = [milestone.node(name, ". /etc/os-release; echo $VERSION_CODENAME").strip() for name in milestone.names]
    assert releases == ["bookworm", "bookworm", "trixie"]


CASES = {
    "pod network overlaps the services'": (
        {"overlay_network": "10.96.0.0/16"},
        ["network.overlaps", "overlay_network 10.96.0.0/16", "control_plane_service_network 10.96.0.0/12"],
    ),
    "pod network holds the nodes": (
        {"overlay_network": "10.79.0.0/16"},
        ["network.contains-node", "overlay_network 10.79.0.0/16", "10.79.0.11", "node1"],
    ),
    "service network holds the nodes": (
        {"control_plane_service_network": "10.79.0.0/16"},
        ["network.contains-node", "control_plane_service_network 10.79.0.0/16", "10.79.0.11"],
    ),
    "pod network too small": (
        {"overlay_network": "10.244.0.0/23"},
        ["network.too-small", "overlay_network 10.244.0.0/23", "3 nodes", "/22 or wider"],
    ),
    "unknown back end": (
        {"overlay_backend": {"type": "gre"}},
        ["variable.invalid", "overlay_backend.type is 'gre'", "vxlan, host-gw"],
    ),
    "unknown release": ({"kubernetes_release": "1.99"}, ["variable.invalid", "kubernetes_release is '1.99'"]),
    "archive missing": (
        {"kubernetes_source": "archive", "kubernetes_archive_remote": False, "kubernetes_archive": "/nowhere/archive"},
        ["archive.invalid", "/nowhere/archive"],
    ),
    "archive missing on the nodes": ({"kubernetes_archive": "/srv/nowhere"}, ["archive.invalid", "/srv/nowhere"]),
}
OF_A_HOST = {
    "two nodes with one address": (
        {"node3": {"node_address": "10.79.0.12"}},
        ["variable.duplicate", "node_address is '10.79.0.12'", "node2", "node3"],
    ),
    "an interface that is not there": (
        {"node2": {"node_interface": "eth9"}},
        ["link.missing", "interface eth9", "eth0"],
    ),
}
SPOILT, TOLD_OF_SPOILT = "archive with a wrong checksum", ["archive.file-corrupt", "images/pause.tar", "SHA256SUMS"]


@pytest.fixture(scope="module")
def refused(_lab, tmp_path_factory):
    """What came of site.yml with each case's input, two at a time, between two looks at the nodes."""
    if _lab.broken:
        pytest.skip(f"the lab is not fit for this: {_lab.broken}")
    directory = tmp_path_factory.mktemp("input")
    asked = {case: ("-e", json.dumps(variables)) for case, (variables, _told) in CASES.items()}
    for case, (variables, _told) in OF_A_HOST.items():
        inventory = directory / f"{len(asked)}.yml"
        inventory.write_text(yaml.safe_dump({"workers": {"hosts": variables}}))
        asked[case] = ("-i", "inventories/lab", "-i", str(inventory))
    spoilt = spoilt_archive(_lab, directory)
    if spoilt:
        variables = {"kubernetes_source": "archive", "kubernetes_archive_remote": False, "kubernetes_archive": spoilt}
        asked[SPOILT] = ("-e", json.dumps(variables))
    untouched = look(_lab)
    with ThreadPoolExecutor(2) as threads:
        runs = dict(zip(asked, threads.map(lambda words: _lab.play("site", *words, expect=None), asked.values())))
    return runs, untouched, look(_lab)


@pytest.mark.parametrize("case", [*CASES, *OF_A_HOST, SPOILT])
def test_bad_input_is_told(refused, case):
    runs, _before, _after = refused
    if case not in runs:
        pytest.skip("this lab takes Kubernetes from a repository, so there is no archive to spoil")
    run = runs[case]
    assert run.status != 0, run.output
    text = " ".join(run.output.split())
    _variables, told = {**CASES, **OF_A_HOST, SPOILT: ({}, TOLD_OF_SPOILT)}[case]
    assert [part for part in told if part not in text] == [], run.output
    assert "Traceback" not in run.output
    assert run.changed == {}


def test_bad_input_touches_no_node(refused):
    _runs, before, after = refused
    assert after == before


def spoilt_archive(lab, directory: Path) -> str:
    """A copy of the lab's archive in which one file has one byte too many; "" where the lab has no archive."""
    original = archive(lab)
    if original is None:
        return ""
    copy = directory / "archive"
    shutil.copytree(original, copy, copy_function=link)
    changed = copy / "images/pause.tar"
    content = changed.read_bytes()
    changed.unlink()
    changed.write_bytes(content + b"\0")
    return str(copy)


def archive(lab) -> Path | None:
    """The controller's directory that the lab's nodes see as /srv/kubernetes, None where they see none."""
    state = json.loads(Path("/run/podnet-lab/proof.json").read_text())
    for bind in state["nodes"][0]["binds"]:
        source, _colon, target = bind.removeprefix("ro:").partition(":")
        if target == "/srv/kubernetes":
            return Path(source)
    return None


def link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def test_check_mode_on_fresh_nodes(lab):
    untouched = look(lab)
    run = lab.play("site", "--check", "--diff")
    assert sorted(set(run.recap) - {"localhost"}) == list(lab.names)
    assert look(lab) == untouched
