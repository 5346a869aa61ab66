#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: route
short_description: Manage routes
version_added: "0.1.0"
description:
  - Adds, changes or removes a route. The kernel has one route for each destination, table and metric; an existing one
    is changed in place.
  - Speaks netlink to the kernel; the node needs nothing but Python. Nothing is kept over a reboot.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  dst:
    description: The destination with its prefix length; V(0.0.0.0/0) or V(::/0) is the default route.
    type: str
    required: true
  state:
    description: Whether the route should exist.
    type: str
    choices: [present, absent]
    default: present
  dev:
    description: The link that packets leave by. Required unless it follows from O(gateway), or O(type) needs none.
    type: str
  gateway:
    description: The next hop's address.
    type: str
  onlink:
    description: Whether the gateway is reached on the link although none of the link's networks contains it.
    type: bool
    default: false
  src:
    description: The source address of packets that the node itself sends by this route.
    type: str
  type:
    description: What happens to packets to the destination.
    type: str
    choices: [unicast, local, blackhole, unreachable, prohibit]
    default: unicast
  protocol:
    description: The number of the routing protocol that owns the route, as in iproute2's C(rt_protos); V(4) is static.
    type: int
    default: 4
  metric:
    description: The route's metric. The default is V(0), for IPv6 V(1024).
    type: int
  table:
    description: The number of the routing table; V(254) is main.
    type: int
    default: 254
  mtu:
    description: The MTU towards the destination in bytes.
    type: int
  advmss:
    description: The TCP segment size to advertise, in bytes.
    type: int
"""

EXAMPLES = r"""
- name: Reach a peer's pods through its VTEP
  podnet.cluster.route:
    dst: 10.244.2.0/24
    gateway: 10.244.2.0
    dev: flannel.1
    onlink: true

- name: Remove a route
  podnet.cluster.route:
    dst: 10.244.2.0/24
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["change route 10.244.2.0/24: gateway 192.0.2.1 → 192.0.2.2"]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.object_kinds import converge


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dst": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "dev": {"type": "str"},
            "gateway": {"type": "str"},
            "onlink": {"type": "bool", "default": False},
            "src": {"type": "str"},
            "type": {
                "type": "str",
                "choices": ["unicast", "local", "blackhole", "unreachable", "prohibit"],
                "default": "unicast",
            },
            "protocol": {"type": "int", "default": 4},
            "metric": {"type": "int"},
            "table": {"type": "int", "default": 254},
            "mtu": {"type": "int"},
            "advmss": {"type": "int"},
        },
        supports_check_mode=True,
    )
    converge(module, "route")


if __name__ == "__main__":
    main()
