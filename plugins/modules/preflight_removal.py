#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_removal
short_description: Check that nodes may be taken out of their cluster
version_added: "0.2.0"
description:
  - Used by the playbooks C(reset.yml) and C(remove_node.yml). Refuses a node in a cluster that this collection did not
    make, a node of another cluster than the control plane's, and the reset of a control plane that was not confirmed.
  - Reports all findings at once, and fails if there are any.
  - Runs on the controller; makes no connection to a host.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
author:
  - podnet.cluster contributors (@podnet)
options:
  hosts:
    description: The hosts to check. M(podnet.cluster.node_facts) has gathered C(podnet_node) on each.
    type: list
    elements: str
    required: true
  control_plane:
    description: The hosts of the group C(control_plane).
    type: list
    elements: str
    default: []
  stay:
    description: Those of O(hosts) that stay in the cluster.
    type: list
    elements: str
    default: []
  confirm:
    description: The UID of the cluster that may be deleted with its control plane.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Check that the nodes may be reset
  podnet.cluster.preflight_removal:
    hosts: "{{ ansible_play_hosts }}"
    control_plane: "{{ groups['control_plane'] }}"
    confirm: "{{ reset_confirm | default('') }}"
  run_once: true
"""

RETURN = r"""
findings:
  description: Each finding with C(code), C(node), C(subject), C(parameters), C(text) and C(fix).
  returned: always
  type: list
  elements: dict
"""
