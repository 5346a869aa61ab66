# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What etcd says of itself, and what the checks make of it: its tools' words as etcd 3.7.0 prints them."""

from __future__ import annotations

import json
import socket

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import StateError
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.kube import etcd
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks import control_plane

MIB = 1 << 20
MANIFEST = """
spec:
  containers:
  - command:
    - etcd
    - --listen-client-urls=https://127.0.0.1:2379,https://10.77.0.11:2379
    image: registry.k8s.io/etcd:3.7.0-0
"""
#: The second has not started yet: etcd does not know its name.
MEMBERS = {
    "members": [
        {
            "ID": 10501334649042878790,
            "name": "node1",
            "peerURLs": ["https://10.77.0.11:2380"],
            "clientURLs": ["https://10.77.0.11:2379"],
        },
        {"ID": 255, "peerURLs": ["https://10.77.0.12:2380"], "isLearner": True},
    ]
}
CRICTL = """#!/bin/sh
case "$*" in
"ps "*) echo {container} ;;
*"endpoint status"*) echo '{status}' ;;
*"member list"*) echo '{members}' ;;
*"alarm list"*) echo '{alarms}' ;;
*) echo "$*" >> {log} ;;
esac
"""


@pytest.fixture
def member(tmp_path, monkeypatch):
    """A node whose etcd says what it is told to; the commands that changed it."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "etcd.yaml").write_text(MANIFEST)
    monkeypatch.setattr(etcd, "MANIFEST", str(tmp_path / "etcd.yaml"))
    log = tmp_path / "log"
    log.touch()

    def say(size=10, used=5, alarms=(), container="c1"):
        status = {"header": {"member_id": 7}, "version": "3.7.0", "dbSize": size * MIB, "dbSizeInUse": used * MIB}
        told = {"alarms": [{"memberID": member, "alarm": alarm} for member, alarm in alarms]}
        text = json.dumps([{"Endpoint": "x", "Status": {**status, "dbSizeQuota": 2048 * MIB}}])
        crictl = tmp_path / "crictl"
        crictl.write_text(
            CRICTL.format(
                container=container, status=text, alarms=json.dumps(told), members=json.dumps(MEMBERS), log=log
            )
        )
        crictl.chmod(0o755)
        return log.read_text

    return say


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({}, []),
        ({"size": 2000, "used": 1600}, []),
        ({"size": 2000, "used": 1700}, [Code.ETCD_SPACE_LOW]),
        ({"size": 2048, "used": 2000, "alarms": [(7, 1)]}, [Code.ETCD_ALARM]),
        ({"alarms": [(7, 2)]}, [Code.ETCD_ALARM]),
        ({"alarms": [(8, 1)]}, []),
        ({"container": ""}, [Code.ETCD_SILENT]),
    ],
    ids=["healthy", "room", "little room", "no space", "corrupt", "another member's alarm", "not running"],
)
def test_what_is_found(member, said, wanted, monkeypatch):
    member(**said)
    monkeypatch.setattr(control_plane.expiry, "ends", dict)
    monkeypatch.setattr(control_plane.api_servers, "findings", lambda _node: [])
    monkeypatch.setattr(control_plane.backups, "findings", lambda _node, _now: [])
    monkeypatch.setattr(control_plane, "_refusal", lambda _url: "")
    assert [each.finding.code for each in control_plane.checks("node1") if each.finding] == wanted


def test_members_that_cannot_be_reached():
    """One that has not started has no name yet."""
    with (
        socket.create_server(("127.0.0.1", 0)) as here,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
    ):
        peers = [f"https://127.0.0.1:{here.getsockname()[1]}", f"https://[::1]:{six.getsockname()[1]}"]
        members = [etcd.Member(at, f"node{at}", peer) for at, peer in enumerate(peers, 1)]
        assert control_plane.of_members("node1", members) == []
        dead = etcd.Member(9, "", "https://127.0.0.2:1")
        (finding,) = control_plane.of_members("node1", [*members, dead])
    assert (finding.code, finding.node, finding.subject) == (Code.ETCD_MEMBER_SILENT, "node1", dead.peer)
    assert finding.parameters["spare"] == 0 and "refused" in finding.parameters["error"]
    (finding,) = control_plane.of_members("node1", [etcd.Member(3, "node3", dead.peer)])
    assert finding.subject == "node3"


def test_defragmenting_ends_the_alarm_that_it_ends(member):
    changed = member(size=900, used=10, alarms=[(7, 1)])
    etcd.defragment()
    assert "defrag" in changed() and "alarm disarm" in changed()
    assert "--endpoints=https://127.0.0.1:2379" in changed()


def test_a_member_is_removed_by_its_id_in_hexadecimal(member):
    changed = member()
    first, second = etcd.members()
    assert (first.name, second.name, second.peer) == ("node1", "", "https://10.77.0.12:2380")
    etcd.remove(first)
    assert "etcdctl member remove 91bc3c398fb3c146 --endpoints" in changed()


def test_a_node_without_etcd(member, tmp_path):
    member()
    (tmp_path / "etcd.yaml").unlink()
    with pytest.raises(StateError, match="no etcd of kubeadm's"):
        etcd.status()
