# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugins and their configuration; the runtime takes them and the node becomes Ready."""

from __future__ import annotations

import json

import pytest

BIN = "/opt/podnet/current/bin"


@pytest.mark.parametrize("plugin", ["loopback", "bridge", "host-local", "portmap", "flannel"])
def test_plugin_answers(host, plugin):
    answer = host.check_output(f'echo \'{{"cniVersion": "1.0.0"}}\' | CNI_COMMAND=VERSION {BIN}/{plugin}')
    version = json.loads(answer)
    assert {"0.3.1", "0.4.0", "1.0.0"} <= set(version["supportedVersions"])


def test_current_is_a_link_to_a_version(host):
    assert host.file("/opt/podnet/current").is_symlink


def test_conflist(host):
    conflist = json.loads(host.file("/etc/cni/net.d/10-podnet.conflist").content_string)
    assert conflist["name"] == "podnet"
    assert [plugin["type"] for plugin in conflist["plugins"]] == ["flannel"]


def test_no_go_plugin(host):
    """Whatever the packages brought, containerd runs ours: Python, not ELF."""
    for plugin in ("loopback", "bridge", "flannel"):
        assert host.run(f"head -c 2 $(readlink -f {BIN}/{plugin})").stdout == "#!"


def test_the_service_does_the_work(host):
    """It wakes up for a call, and serves root alone."""
    assert host.service("podnet-cni").is_running
    assert host.service("podnet-cni").is_enabled
    assert host.file("/run/podnet/cni.sock").mode == 0o600
    pid = host.check_output("systemctl show --property MainPID --value podnet-cni")
    switches = f"grep ^voluntary /proc/{pid}/status"
    before = host.check_output(switches)
    host.check_output(f"echo '{{}}' | CNI_COMMAND=VERSION {BIN}/flannel")
    assert host.check_output(switches) != before


def test_without_the_service_it_works_as_well(host):
    answer = host.check_output(f"echo '{{}}' | CNI_COMMAND=VERSION {BIN}/flannel")
    host.check_output("systemctl stop podnet-cni")
    try:
        assert host.check_output(f"echo '{{}}' | CNI_COMMAND=VERSION {BIN}/flannel") == answer
    finally:
        host.check_output("systemctl start podnet-cni")


def test_who_keeps_leases_of_dhcp_starts_when_it_is_asked(host):
    assert host.socket("unix:///run/cni/dhcp.sock").is_listening
    assert host.service("podnet-dhcp.socket").is_enabled
    configuration = '{"cniVersion": "1.1.0", "name": "net", "type": "macvlan", "ipam": {"type": "dhcp"}}'
    host.check_output(f"echo '{configuration}' | CNI_COMMAND=STATUS CNI_PATH={BIN} {BIN}/dhcp")
    assert host.service("podnet-dhcp").is_running


def test_node_becomes_ready(host, kubectl):
    kubectl(f"wait --for condition=Ready --timeout 60s node/{host.backend.node}")
