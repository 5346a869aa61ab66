#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fdb
short_description: Manage FDB entries of VXLAN devices
version_added: "0.1.0"
description:
  - Adds or removes the permanent FDB entry of a VXLAN device that maps a MAC address to a VTEP.
  - A unicast MAC address has one VTEP; an entry with another one is replaced.
  - Speaks netlink to the kernel; the node needs nothing but Python. Nothing is kept over a reboot.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  dev:
    description: The VXLAN device's name.
    type: str
    required: true
  mac:
    description: The MAC address; V(00:00:00:00:00:00) matches frames without an entry of their own.
    type: str
    required: true
  dst:
    description: The VTEP's IP address.
    type: str
    required: true
  state:
    description: Whether the entry should exist.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: podnet.cluster.neighbour
"""

EXAMPLES = r"""
- name: Map a MAC address to its VTEP
  podnet.cluster.fdb:
    dev: flannel.1
    mac: "02:1a:2b:3c:4d:5e"
    dst: 192.0.2.12
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["add fdb flannel.1 02:1a:2b:3c:4d:5e 192.0.2.12"]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.object_kinds import converge


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dev": {"type": "str", "required": True},
            "mac": {"type": "str", "required": True},
            "dst": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    converge(module, "fdb")


if __name__ == "__main__":
    main()
