# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that has joined."""

from __future__ import annotations

import json


def test_kubelet_runs(host):
    assert host.service("kubelet").is_running
    assert host.service("kubelet").is_enabled


def test_node_is_known_to_the_api_under_its_name_and_address(host):
    name = host.check_output("hostname")
    output = host.check_output(f"kubectl --kubeconfig /etc/kubernetes/kubelet.conf get node {name} --output json")
    addresses = {entry["type"]: entry["address"] for entry in json.loads(output)["status"]["addresses"]}
    assert addresses == {"InternalIP": "10.87.0.12", "Hostname": name}


def test_trusts_the_cluster_s_authority(host):
    output = host.check_output("openssl x509 -in /etc/kubernetes/pki/ca.crt -noout -subject")
    assert "kubernetes" in output


def test_join_left_no_token(host):
    """What a join needed is neither in a file of ours nor in the journal."""
    assert host.run("grep -rlE '[a-z0-9]{6}\\.[a-z0-9]{16}' /etc/kubernetes /etc/podnet /root").stdout == ""
    assert host.run("journalctl --no-pager --boot | grep -E 'token.*[a-z0-9]{6}\\.[a-z0-9]{16}'").stdout == ""
