#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drain_report
short_description: Report why a node was not drained
version_added: "0.2.0"
description:
  - Used by this collection's playbooks. Its options may change with any release.
  - Names each pod that could not be evicted and the PodDisruptionBudget that refuses it, and fails.
  - Runs on the controller; makes no connection to a host.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
author:
  - podnet.cluster contributors (@podnet)
options:
  items:
    description: The API's PodDisruptionBudgets and pods.
    type: list
    elements: dict
    required: true
  node:
    description: The node's name in Kubernetes.
    type: str
    required: true
  timeout:
    description: The seconds that draining was given.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Report why the node was not drained
  podnet.cluster.drain_report:
    items: "{{ (left.stdout | from_json)['items'] }}"
    node: node3
    timeout: 120
"""

RETURN = r"""
findings:
  description: Each finding with C(code), C(node), C(subject), C(parameters), C(text) and C(fix).
  returned: always
  type: list
  elements: dict
"""
