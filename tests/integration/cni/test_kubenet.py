# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kubenet's case: the configuration that the role cni writes, given to pods of one node as containerd does."""

from __future__ import annotations

import json
import sys

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.runtime.runtime import Attachment, Runtime
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec import conflist

#: The role's configuration, and nothing else of the role: it has a service on the node, too.
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars_files:
    - "{roles}/cluster/defaults/main.yml"
    - "{roles}/cluster/vars/main.yml"
    - "{roles}/cni/defaults/main.yml"
    - "{roles}/cni/vars/main.yml"
  tasks:
    - podnet.cluster.conflist:
        directory: "{{{{ cni_conf_dir }}}}"
        file: "{{{{ cni_file }}}}"
        network: "{{{{ cni_network }}}}"
        plugins: "{{{{ _cni_content }}}}"
        bin_dirs: ["{{{{ cni_bin_dir }}}}"]
"""


@pytest.fixture
def network(ansible, root, bin_dir, tmp_path):
    """What the role writes for a node with these pod CIDRs, in the test's own directories."""
    (tmp_path / "play.yml").write_text(PLAY.format(roles=root / "roles"))
    given = {
        "cni_variant": "kubenet",
        "cni_pod_cidrs": ["10.22.3.0/24", "fd22:3::/64"],
        "cni_mtu": 1400,
        "cni_conf_dir": str(tmp_path / "net.d"),
        "cni_bin_dir": str(bin_dir),
        "ansible_python_interpreter": sys.executable,
    }
    words = ["ansible-playbook", "-i", "localhost,", "-e", json.dumps(given), str(tmp_path / "play.yml")]
    done = ansible(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return conflist.load(str(tmp_path / "net.d/10-podnet.conflist"))


def test_pods_of_a_node(network, host, bin_dir, tmp_path, empty):
    """bridge cbr0 with hairpin and MTU, an address of each pod CIDR, masquerade; beside it loopback, for each pod."""
    assert network.types() == ["bridge", "host-local", "portmap"]
    for plugin in network.plugins:
        if "ipam" in plugin:
            plugin["ipam"]["dataDir"] = str(host.data)
    loopback = conflist.Conflist({"cniVersion": "1.0.0", "name": "cni-loopback", "plugins": [{"type": "loopback"}]})
    pods = [host.pod(), host.pod()]
    with host.netns.entered():
        runtime = Runtime([str(bin_dir)], str(tmp_path / "cache"))
        results = []
        for number, pod in enumerate(pods):
            runtime.add(loopback, Attachment(f"c{number}", pod.path, "lo"))
            results.append(runtime.add(network, Attachment(f"c{number}", pod.path)))
    assert [item["address"] for item in results[0]["ips"]] == ["10.22.3.2/24", "fd22:3::2/64"]
    assert pods[0].ip("link show dev eth0")[0]["mtu"] == 1400
    assert "UP" in pods[0].ip("link show dev lo")[0]["flags"]
    assert host.netns.ip("link show dev cbr0")[0]["linkinfo"]["info_kind"] == "bridge"
    ports = [port for port in host.netns.bridge("link") if port["master"] == "cbr0"]
    assert [port["hairpin"] for port in ports] == [True, True]
    for address in ("10.22.3.1", "10.22.3.3", "fd22:3::3"):
        pods[0].run(f"ping -c 1 -W 5 {address}")
    assert "c1 eth0 podnet" in "".join(host.state()["elements"])  # masqueraded on the way out of the node
    with host.netns.entered():
        for number, pod in enumerate(pods):
            attachment = Attachment(f"c{number}", pod.path)
            runtime.check(network, attachment)
            runtime.delete(network, attachment)
            runtime.delete(loopback, Attachment(f"c{number}", pod.path, "lo"))
    state = host.state()
    assert {**state, "links": [name for name in state["links"] if name != "cbr0"]} == empty
