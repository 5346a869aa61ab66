#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: neighbour
short_description: Manage permanent neighbour entries
version_added: "0.1.0"
description:
  - Adds, changes or removes the permanent neighbour (ARP or NDP) entry of a link for an IP address.
  - Speaks netlink to the kernel; the node needs nothing but Python. Nothing is kept over a reboot.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  dev:
    description: The link's name.
    type: str
    required: true
  dst:
    description: The neighbour's IP address.
    type: str
    required: true
  mac:
    description: The neighbour's MAC address. Required if O(state=present).
    type: str
  state:
    description: Whether the entry should exist.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: podnet.cluster.fdb
"""

EXAMPLES = r"""
- name: Resolve a peer's VTEP
  podnet.cluster.neighbour:
    dev: flannel.1
    dst: 10.244.2.0
    mac: "02:1a:2b:3c:4d:5e"
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["add neighbour flannel.1 10.244.2.0"]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.object_kinds import converge


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dev": {"type": "str", "required": True},
            "dst": {"type": "str", "required": True},
            "mac": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("mac",))],
        supports_check_mode=True,
    )
    converge(module, "neighbour")


if __name__ == "__main__":
    main()
