#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_nodes
short_description: Judge whether the nodes fit the cluster
version_added: "0.2.0"
description:
  - Used by the role C(node). Judges what M(podnet.cluster.node_facts) found, for each node and
    between nodes (clocks, MTUs).
  - Reports all findings of all nodes at once, and fails if there are any.
  - Runs on the controller; makes no connection to a host.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
  - podnet.cluster.nodes
author:
  - podnet.cluster contributors (@podnet)
options:
  found:
    description: The results of M(podnet.cluster.node_facts), one for each node.
    type: list
    elements: dict
    required: true
  nodes:
    description:
      - The nodes of the play, as the filter P(podnet.cluster.cluster_nodes#filter) lists them.
      - A worker without a result in O(found) is reported as unreachable, in a warning, and left out. A control plane
        without one is a finding, since nothing can be done without it.
  mtu:
    description: The pods' MTU, if it is given. Then it does not follow from the underlays, whose MTUs may differ.
    type: int
"""

EXAMPLES = r"""
- name: Judge whether the nodes fit the cluster
  podnet.cluster.preflight_nodes:
    found: "{{ ansible_play_hosts | map('extract', hostvars, 'looked') }}"
    nodes: "{{ ansible_play_hosts_all | podnet.cluster.cluster_nodes(hostvars, groups['control_plane']) }}"
  run_once: true
"""

RETURN = r"""
findings:
  description: Each finding with C(code), C(node), C(subject), C(parameters), C(text) and C(fix).
  returned: always
  type: list
  elements: dict
warned:
  description: The same for what is shown as a warning.
  returned: always
  type: list
  elements: dict
"""
