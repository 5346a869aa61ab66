# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks with a wrong inventory: they fail before any node is touched, with all findings at once."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
#: Nothing answers there: a test that reached for a node would fail as "unreachable". One that became root on the
#: controller would find no sudo there.
NOWHERE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
NOWHERE |= {"ansible_become": True, "ansible_become_exe": "/nowhere/sudo"}
OTHERS_GROUPS = {"kube_control_plane": {"hosts": {"a": NOWHERE}}, "kube_node": {"hosts": {"b": NOWHERE}}}


def cluster(**variables):
    """An inventory of two nodes with these variables."""
    children = {
        "control_plane": {"hosts": {"a": {**NOWHERE, "node_address": "10.77.0.11"}}},
        "workers": {"hosts": {"b": {**NOWHERE, "node_address": "10.77.0.12"}}},
    }
    return {"cluster": {"children": children, "vars": variables}}


@pytest.fixture
def play(ansible, tmp_path):
    """Runs a playbook with an inventory, without become; the codes and subjects of the findings that it fails with."""

    def run(playbook, inventory, *arguments):
        path = tmp_path / "hosts.yml"
        path.write_text(yaml.safe_dump(inventory))
        command = ["ansible-playbook", "-i", str(path), f"playbooks/{playbook}.yml", *arguments]
        done = ansible(*command, env={"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_CALLBACK_FORMAT_PRETTY": "0"})
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert "w0rd" not in done.stdout + done.stderr
        result = json.loads(re.search(r"FAILED! => (\{.*)", done.stdout)[1])
        return [(each["code"], each["subject"]) for each in result["findings"]], result["msg"]

    return run


@pytest.mark.parametrize("playbook", ["site", "reset", "add_node", "remove_node", "upgrade", "verify", "trace"])
def test_groups_of_another_collection(play, playbook):
    found, message = play(playbook, OTHERS_GROUPS)
    assert found == [("group.empty", "cluster, control_plane")]
    assert "kube_control_plane, kube_node" in message and "groups control_plane and workers" in message


@pytest.mark.parametrize(
    ("playbook", "variable"), [("reset", "reset_nodes"), ("add_node", "new_nodes"), ("remove_node", "node")]
)
def test_a_host_that_is_not_there(play, playbook, variable):
    found, message = play(playbook, cluster(), "-e", f"{variable}=bb")
    assert found == [("host.unknown", "bb")]
    assert f"{variable} to one or more of a, b" in message


def test_all_that_is_wrong_with_the_variables(play):
    wrong = {"overlay_netwrok": "10.9.0.0/16", "overlay_backend": {"type": "gre"}, "kubernetes_source": "floppy"}
    wrong["cluster_proxy"] = "http://ops:w0rd@proxy.example:3128"
    found, message = play("site", cluster(**wrong), "--limit", "b", "-vvv")
    assert found == [
        ("variable.invalid", "overlay_backend.type"),
        ("variable.invalid", "cluster_proxy"),
        ("variable.invalid", "kubernetes_source"),
        ("variable.misspelt", "overlay_netwrok"),
    ]
    assert "4 findings in the cluster's variables; no node was changed" in message
    assert "rename overlay_netwrok to overlay_network" in message


def test_a_name_of_ones_own_is_left_alone(play):
    wrong = {"overlay_networks": ["x"], "cluster_own_variables": ["overlay_networks"], "kubernetes_source": "floppy"}
    assert play("site", cluster(**wrong))[0] == [("variable.invalid", "kubernetes_source")]


@pytest.fixture
def judge(ansible, tmp_path):
    """Runs preflight_nodes with results of node_facts for some of the nodes a (the control plane), b and c."""

    def run(*found):
        nodes = [{"host": name, "address": f"10.77.0.{number}"} for number, name in enumerate("abc")]
        arguments = {"found": list(found), "nodes": [{**node, "control_plane": node["host"] == "a"} for node in nodes]}
        task = {"podnet.cluster.preflight_nodes": arguments, "register": "judged"}
        show = {"ansible.builtin.debug": {"msg": "JUDGED {{ judged | to_json }}"}}
        play = {"hosts": "localhost", "gather_facts": False, "tasks": [{**task, "ignore_errors": True}, show]}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
        done = ansible("ansible-playbook", str(tmp_path / "play.yml"), env={"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"})
        shown = re.search(r'"msg": ("JUDGED .*")', done.stdout)
        result = json.loads(json.loads(shown[1]).removeprefix("JUDGED "))
        return [[(each["code"], each["subject"]) for each in result[key]] for key in ("findings", "warned")]

    return run


def looked(node, *silent):
    """node_facts' result for a node to which these peers do not answer."""
    findings = [{"code": "peer.silent", "node": node, "subject": peer, "parameters": {}} for peer in silent]
    facts = {"interface": "eth0", "interfaces": {"eth0": {"mtu": 1500}}, "clock_offset": 0.5}
    facts |= {"joined": False, "membership": None}
    return {"node": node, "findings": findings, "warned": [], "ansible_facts": {"podnet_node": facts}}


def test_an_unreachable_worker_is_left_out(judge):
    """That the others cannot reach it either stops nothing; that a reachable one does not answer does."""
    unreachable = [("host.unreachable", "c")]
    assert judge(looked("a", "10.77.0.2"), looked("b", "10.77.0.2")) == [[], unreachable]
    assert judge(looked("a", "10.77.0.1", "10.77.0.2"), looked("b")) == [[("peer.silent", "10.77.0.1")], unreachable]


def test_an_unreachable_control_plane_stops_all(judge):
    assert judge(looked("b", "10.77.0.0"), looked("c")) == [[("host.unreachable", "a")], []]


def test_an_unreachable_control_plane_stops_nothing_where_another_is_in_the_cluster(judge):
    member = looked("b")
    member["ansible_facts"]["podnet_node"].update(control_plane=True)
    assert judge(member, looked("c")) == [[], [("host.unreachable", "a")]]


def test_an_upgrade_goes_on_without_a_worker_that_is_gone(ansible, tmp_path):
    """The plays of upgrade.yml on workers, with a message in the role's place: x is gone by then."""
    plays = [
        play for play in yaml.safe_load((ROOT / "playbooks/upgrade.yml").read_text()) if play.get("hosts") == "workers"
    ]
    for task in plays[-1]["tasks"]:
        del task["ansible.builtin.include_role"]
        task["ansible.builtin.debug"] = {"msg": "upgraded {{ inventory_hostname }}"}
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    workers = {"x": {**NOWHERE, "ansible_become": False, "ansible_ssh_retries": 0}, "y": here, "z": here}
    (tmp_path / "play.yml").write_text(yaml.safe_dump(plays))
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"workers": {"hosts": workers}}))
    done = ansible("ansible-playbook", "-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.yml"))
    assert done.returncode == 4, done.stdout + done.stderr
    assert re.findall("msg: upgraded (.)", done.stdout) == ["y", "z"]
