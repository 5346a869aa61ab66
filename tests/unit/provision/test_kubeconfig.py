# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The administrator's kubeconfig on the controller: nobody else can read it, and it is in no output."""

from __future__ import annotations

import json
import stat

import pytest

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: podnet.cluster.control_plane
        tasks_from: fetch_kubeconfig
"""


@pytest.fixture
def fetch(ansible, tmp_path):
    """Runs the role's tasks; the result, and the fetched file."""
    (tmp_path / "admin.conf").write_text("server: https://api.podnet.internal:6444\nclient-key-data: hush\n")
    (tmp_path / "play.yml").write_text(PLAY)
    fetched = tmp_path / "kube" / "config"
    fetched.parent.mkdir()
    variables = {
        "_control_plane_admin_conf": str(tmp_path / "admin.conf"),
        "control_plane_fetch_kubeconfig": str(fetched),
        "node_address": "192.0.2.11",
    }

    def run(*arguments):
        command = ["ansible-playbook", str(tmp_path / "play.yml"), "-e", json.dumps(variables), "--diff", "-vvv"]
        done = ansible(*command, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done, fetched

    return run


def test_a_fetched_kubeconfig(fetch):
    done, fetched = fetch()
    assert fetched.read_text() == "server: https://192.0.2.11:6443\nclient-key-data: hush\n"
    assert stat.S_IMODE(fetched.stat().st_mode) == 0o600
    assert "hush" not in done.stdout + done.stderr
    assert "changed=0" in fetch()[0].stdout


def test_one_that_was_readable_for_all(fetch):
    fetched = fetch()[1]
    fetched.chmod(0o644)
    fetch()
    assert stat.S_IMODE(fetched.stat().st_mode) == 0o600


def test_check_mode_writes_none(fetch):
    assert not fetch("--check")[1].exists()
