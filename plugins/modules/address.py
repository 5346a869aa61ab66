#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: address
short_description: Manage IP addresses of links
version_added: "0.1.0"
description:
  - Adds or removes an IP address on a link. Its other addresses are left alone.
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
  address:
    description: The address with its prefix length; without one it is the address of a host, C(/32) or C(/128).
    type: str
    required: true
  state:
    description: Whether the address should exist on the link.
    type: str
    choices: [present, absent]
    default: present
  broadcast:
    description: The broadcast address (IPv4).
    type: str
  scope:
    description: Where the address is valid.
    type: str
    choices: [global, site, link, host]
seealso:
  - module: podnet.cluster.link
"""

EXAMPLES = r"""
- name: Add an address to a bridge
  podnet.cluster.address:
    dev: br0
    address: 10.244.1.1/24

- name: Remove it
  podnet.cluster.address:
    dev: br0
    address: 10.244.1.1/24
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["add address br0 10.244.1.1/24"]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.object_kinds import converge


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dev": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "broadcast": {"type": "str"},
            "scope": {"type": "str", "choices": ["global", "site", "link", "host"]},
        },
        supports_check_mode=True,
    )
    converge(module, "address")


if __name__ == "__main__":
    main()
