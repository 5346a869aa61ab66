#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the nodes of a lab."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_nodes
short_description: Run a cluster's nodes as systemd-nspawn machines on this host
version_added: "0.1.0"
author:
  - podnet.cluster contributors (@podnet)
description:
  - Used by this collection's roles. Its options may change with any release.
  - Brings a lab to the wanted nodes and underlay network, or takes it down and leaves the host as it was found.
  - A recorded node that does not run is started; a node that is no longer wanted is removed with its disk.
  - Runs as root on the host that carries the lab.
  - Labs with different names and networks live side by side.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
options:
  name:
    description: Name of the lab, at most ten lower-case letters and digits.
    type: str
    default: lab
  network:
    description: IPv4 network of the underlay. The host takes its first address. Required with I(state=present).
    type: str
  network6:
    description: IPv6 network of the underlay, for nodes with an address of each IP version. Empty for none.
    type: str
    default: ""
  unrouted:
    description:
      - IPv4 networks to which the host lets nothing pass, such as those of the cluster's pods and Services. A site's
        router knows no way to them either.
    type: list
    elements: str
    default: []
  boot_timeout:
    description: Seconds that a node may take to boot. An emulated host needs some minutes.
    type: int
    default: 90
  mtu:
    description: MTU of the underlay.
    type: int
    default: 1500
  directory:
    description: Where the nodes' disks lie. Not on an overlay file system.
    type: path
    default: /var/lib/podnet-lab
  packages:
    description: A directory of Debian packages on this file system which nodes take from and add to. Empty for none.
    type: path
    default: ""
  count:
    description: How many nodes. They are called node1, node2 and so on, at the network's 11th, 12th… address.
    type: int
    default: 3
  systems:
    description:
      - The nodes' root file systems, dealt out in turn. Required with I(state=present).
      - Each is a list of layers, uppermost first, separated by colons, as overlayfs's C(lowerdir) has them.
    type: list
    elements: str
  binds:
    description:
      - Directories of the host to see in every node, as C(host path:path in the node).
      - With C(ro:) before it, read-only.
    type: list
    elements: str
    default: []
  variables:
    description: Variables that the lab's inventory gives to every node.
    type: dict
    default: {}
  state:
    description: Whether the lab should exist.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Two nodes
  podnet.cluster.lab_nodes:
    network: 10.77.0.0/24
    count: 2
    systems:
      - /var/cache/podnet/root/bookworm-bare-0123456789ab

- name: No lab
  podnet.cluster.lab_nodes:
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["create node1"]
nodes:
  description: The nodes of the lab, each with its name and address.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "node1", "address": "10.77.0.11"}]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Plan
from ..module_utils.lab import host, reconcile, state

# What a node writes before anything of a user's: images, etcd, kubelet, logs.
DISK_PER_NODE = 1536 * 2**20


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "lab"},
            "network": {"type": "str"},
            "network6": {"type": "str", "default": ""},
            "unrouted": {"type": "list", "elements": "str", "default": []},
            "boot_timeout": {"type": "int", "default": 90},
            "mtu": {"type": "int", "default": 1500},
            "directory": {"type": "path", "default": "/var/lib/podnet-lab"},
            "packages": {"type": "path", "default": ""},
            "count": {"type": "int", "default": 3},
            "systems": {"type": "list", "elements": "str"},
            "binds": {"type": "list", "elements": "str", "default": []},
            "variables": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("network", "systems"))],
        supports_check_mode=True,
    )
    wanted = None
    try:
        if module.params["state"] == "present":
            fields = ("name", "network", "network6", "mtu", "directory", "packages", "variables")
            fields += ("unrouted", "boot_timeout")
            wanted = state.Lab(**{field: module.params[field] for field in fields})
            wanted.validate()
            wanted.populate(module.params["count"], module.params["systems"], module.params["binds"])
        with state.locked(module.params["name"]):
            step = reconcile.Whole(module.params["name"], wanted)
            if wanted and step.changes:
                host.preflight(wanted, DISK_PER_NODE * len(step.create), programs=not module.check_mode)
                for refusal in host.refusals(wanted):
                    module.warn(refusal)
            nodes = [{"name": each.name, "address": each.address} for each in wanted.nodes] if wanted else []
            run(module, Plan([step]), nodes=nodes)
    except state.LabError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
