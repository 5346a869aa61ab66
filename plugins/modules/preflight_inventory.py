#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_inventory
short_description: Check the groups and hosts that the playbooks select by
version_added: "0.2.0"
description:
  - Used by the playbooks of this collection. Checks that the inventory has the groups C(cluster), C(control_plane) and
    C(workers) as the playbooks expect them, and that hosts named by a variable exist.
  - Reports all findings at once, and fails if there are any.
  - Runs on the controller; makes no connection to a host.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
author:
  - podnet.cluster contributors (@podnet)
options:
  groups:
    description: The inventory's hosts by group, as Ansible's variable C(groups).
    type: dict
    required: true
  hosts:
    description: Hosts that a play is about, comma-separated, by the variable that names them. Empty ones are left out.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Check the inventory's groups, and the nodes to add
  podnet.cluster.preflight_inventory:
    groups: "{{ groups }}"
    hosts:
      new_nodes: node4,node5
"""

RETURN = r"""
findings:
  description: Each finding with C(code), C(node), C(subject), C(parameters), C(text) and C(fix).
  returned: always
  type: list
  elements: dict
"""
