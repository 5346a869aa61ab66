#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: link
short_description: Manage network links
version_added: "0.1.0"
description:
  - Creates, changes or removes a bridge, a VXLAN device or another virtual link; changes a physical one.
  - Speaks netlink to the kernel; the node needs nothing but Python. Nothing is kept over a reboot.
  - A link is recreated where a value cannot be changed in place (its kind, a VXLAN device's VNI, port, source or
    underlay device).
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  name:
    description: The link's name, 1 to 15 characters.
    type: str
    required: true
  state:
    description: Whether the link should exist.
    type: str
    choices: [present, absent]
    default: present
  kind:
    description:
      - The link's kind.
      - Required to create a link. Leave it out for one that exists, such as a physical device.
    type: str
    choices: [bridge, dummy, ipvlan, macvlan, vlan, vrf, vxlan]
  mac:
    description: The MAC address.
    type: str
  mtu:
    description: The MTU in bytes.
    type: int
  up:
    description: Whether the link should be up.
    type: bool
    default: true
  master:
    description: The bridge that the link should be a port of; the empty string for none.
    type: str
  alias:
    description: A text that the kernel keeps with the link.
    type: str
  data:
    description:
      - Values of the link's kind.
      - "V(vxlan): C(id) (VNI), C(link) (underlay device), C(local) (source address), C(port), C(learning), C(ttl),
        C(udp_csum), C(gbp)."
      - "V(bridge): C(forward_delay), C(ageing_time), C(stp_state), C(vlan_filtering), C(vlan_default_pvid)."
      - "V(vlan): C(id). V(vrf): C(table). V(macvlan): C(mode), C(bc_queue_len). V(ipvlan): C(mode), C(flags)."
    type: dict
    default: {}
  port:
    description: "Values of the link as a bridge's port: C(hairpin), C(learning), C(flood), C(neigh_suppress),
      C(isolated)."
    type: dict
    default: {}
seealso:
  - module: podnet.cluster.address
"""

EXAMPLES = r"""
- name: Create a bridge with a fixed MAC address
  podnet.cluster.link:
    name: br0
    kind: bridge
    mac: "02:00:00:00:00:01"
    mtu: 1450

- name: Create a VXLAN device
  podnet.cluster.link:
    name: vxlan7
    kind: vxlan
    data:
      id: 7
      link: eth1
      local: 192.0.2.11
      port: 4789
      learning: false

- name: Remove it
  podnet.cluster.link:
    name: vxlan7
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["change link br0: mtu 1500 → 1450"]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.object_kinds import converge


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "kind": {"type": "str", "choices": ["bridge", "dummy", "ipvlan", "macvlan", "vlan", "vrf", "vxlan"]},
            "mac": {"type": "str"},
            "mtu": {"type": "int"},
            "up": {"type": "bool", "default": True},
            "master": {"type": "str"},
            "alias": {"type": "str"},
            "data": {"type": "dict", "default": {}},
            "port": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    converge(module, "link")


if __name__ == "__main__":
    main()
