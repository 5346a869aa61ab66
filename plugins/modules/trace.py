#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trace
short_description: Name the hop at which a packet is lost, and why
version_added: "0.2.0"
description:
  - Used by the role P(podnet.cluster.verify#role). Its options may change with any release.
  - Follows a packet through the cluster hop by hop and back, by the states that M(podnet.cluster.node_network_info)
    returned on the nodes, and names the broken hop, with its cause and fix.
  - Fails if the path is broken.
  - Runs on the controller; makes no connection to a host.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
author:
  - podnet.cluster contributors (@podnet)
options:
  request:
    description: What to trace, as P(podnet.cluster.trace_requests#filter) returns it.
    type: dict
    required: true
  states:
    description: The nodes' states, RV(podnet.cluster.node_network_info#module:states).
    type: list
    elements: dict
    required: true
  path:
    description: The controller's file for the trace, as JSON.
    type: path
attributes:
  check_mode:
    details: The file is written in check mode too; it is not part of a node's state.
"""

EXAMPLES = r"""
- name: Judge the path
  podnet.cluster.trace:
    request: "{{ request }}"
    states: "{{ ansible_play_hosts | map('extract', hostvars, 'inspected') | map(attribute='states') | flatten }}"
  run_once: true
"""

RETURN = r"""
ok:
  description: Whether the path is healthy.
  returned: always
  type: bool
trace:
  description: The forward and the return path; docs/tracing.md explains the keys.
  returned: always
  type: dict
"""
