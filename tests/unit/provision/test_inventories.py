# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories beside the lab's: Vagrant's machines by their private addresses, and the cloud's example."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.podnet.cluster.plugins.filter.cluster import cluster_nodes
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.provision import checks
from ansible_collections.podnet.cluster.plugins.module_utils.provision.inventory import Node

ROOT = Path(__file__).resolve().parents[3]

#: What `vagrant ssh-config` prints of two machines under VirtualBox.
SSH_CONFIG = """\
Host node1
  HostName 127.0.0.1
  User vagrant
  Port 2222
  IdentityFile "/home/me/a b/.vagrant/machines/node1/virtualbox/private_key"
  IdentitiesOnly yes

Host node10
  HostName 127.0.0.1
  User vagrant
  Port 2200
"""


@pytest.fixture
def vagrant():
    """The inventory's script as a module."""
    specification = importlib.util.spec_from_file_location("vagrant_nodes", ROOT / "inventories/vagrant/nodes.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_vagrant_machines_have_the_private_network_s_addresses(vagrant):
    found = vagrant.inventory(vagrant.machines(SSH_CONFIG), "192.168.57")
    assert found["control_plane"]["hosts"] == ["node1"]
    assert found["workers"]["hosts"] == ["node10"]
    one, ten = (found["_meta"]["hostvars"][name] for name in ("node1", "node10"))
    assert (one["node_address"], ten["node_address"]) == ("192.168.57.11", "192.168.57.20")
    assert (one["ansible_host"], one["ansible_port"], one["ansible_user"]) == ("127.0.0.1", "2222", "vagrant")
    assert one["ansible_ssh_private_key_file"] == "/home/me/a b/.vagrant/machines/node1/virtualbox/private_key"


def test_vagrant_without_machines(vagrant):
    assert vagrant.inventory(vagrant.machines(""), "192.168.56")["control_plane"] == {"hosts": []}


def test_vagrant_s_inventory_runs(tmp_path):
    """The script as Ansible runs it, with a vagrant that prints the above."""
    command = tmp_path / "vagrant"
    command.write_text(f"#!/bin/sh\ncat <<'END'\n{SSH_CONFIG}END\n")
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "NETWORK": "192.168.60"}
    script = [sys.executable, str(ROOT / "inventories/vagrant/nodes.py"), "--list"]
    output = subprocess.run(script, env=environment, check=True, capture_output=True, text=True).stdout
    assert json.loads(output)["_meta"]["hostvars"]["node1"]["node_address"] == "192.168.60.11"


def test_the_cloud_s_example_passes_preflight_but_for_its_archive():
    directory = ROOT / "inventories/cloud"
    groups = yaml.safe_load((directory / "hosts.yml").read_text())["cluster"]["children"]
    variables = yaml.safe_load((directory / "group_vars/all.yml").read_text())
    hosts = {name: values for group in groups.values() for name, values in group["hosts"].items()}
    nodes = [Node(**each) for each in cluster_nodes(list(hosts), hosts, list(groups["control_plane"]["hosts"]))]
    found = checks.check({"overlay_node_prefix_ipv6": 64, **variables}, nodes).findings
    assert [(each.code, each.subject) for each in found] == [(Code.ARCHIVE_INVALID, variables["kubernetes_archive"])]


def test_the_cloud_s_example_as_it_stands(ansible, tmp_path):
    """site.yml judges on the controller, where the user is not root, and asks for the archive that is missing."""
    (tmp_path / "sudo").write_text("#!/bin/sh\necho sudo was called >&2; exit 1\n")
    (tmp_path / "sudo").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = ansible("ansible-playbook", "-i", "inventories/cloud", "playbooks/site.yml", env=environment)
    output = done.stdout + done.stderr
    assert done.returncode == 2 and "archive.invalid" in output, output
    assert "sudo" not in output


def test_whatever_is_delegated_to_the_controller_needs_no_root():
    """A node's become is not the controller's. Actions without a connection run nothing there."""
    found = []
    for path in [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/*.yml")]:
        found += [task for task in tasks(yaml.safe_load(path.read_text())) if task.get("delegate_to") == "localhost"]
    names = {task["name"] for task in found if "podnet.cluster.progress" not in task}
    assert names == {task["name"] for task in found if task.get("become") is False}
    assert len(found) >= 2


def tasks(items):
    """All tasks of a file of tasks or plays, those in blocks among them."""
    for item in items or []:
        yield item
        for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always"):
            yield from tasks(item.get(key))
