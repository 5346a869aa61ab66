#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Judge a run of verification
version_added: "0.1.0"
description:
  - Used by the role P(podnet.cluster.verify#role). Its options may change with any release.
  - Compares the objects of the Kubernetes API with the results of M(podnet.cluster.probe) on the nodes, prints nodes,
    reachability and every failure as a table, and writes the whole report as JSON.
  - Fails if any probe or check failed, or if no probe was made.
  - Runs on the controller; makes no connection to a host. With the Python library rich there it prints tables.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
author:
  - podnet.cluster contributors (@podnet)
options:
  items:
    description: The items of C(kubectl get nodes,pods,services --output json); where nodes enforce policies also of
      namespaces and networkpolicies, so that a probe that these deny is no failure.
    type: list
    elements: dict
    required: true
  found:
    description: >-
      The results of M(podnet.cluster.probe) on each node; its RV(podnet.cluster.probe#module:node) is the
      node's name in the cluster.
    type: list
    elements: dict
    required: true
  namespace:
    description: The namespace of the workload that the probes used.
    type: str
    required: true
  port:
    description: The port on which its pods answer.
    type: int
    required: true
  tunnel:
    description: Whether packets between nodes should have been captured as VXLAN.
    type: bool
    default: false
  path:
    description: The controller's file for the whole report, as JSON.
    type: path
  svg:
    description: The controller's file for a picture of the tables.
    type: path
  html:
    description:
      - The controller's file for the report as one HTML page, with the topology and the matrix as pictures. It loads
        nothing from elsewhere.
    type: path
  junit:
    description: The controller's file for checks and probes as JUnit's XML.
    type: path
  requests:
    description: The traces that were requested, as P(podnet.cluster.trace_requests#filter) returned them.
    type: list
    elements: dict
    default: []
  inspected:
    description: The results of M(podnet.cluster.node_network_info) for them on the nodes.
    type: list
    elements: dict
    default: []
  sample:
    description: The sample that was given to P(podnet.cluster.probes#filter).
    type: int
    default: 0
  title:
    description: The title of picture and page.
    type: str
    default: podnet.cluster
attributes:
  check_mode:
    details: The report's files are written in check mode too; they are not part of a node's state.
"""

EXAMPLES = r"""
- name: Judge the cluster
  podnet.cluster.report:
    items: "{{ (api.stdout | from_json)['items'] }}"
    found: "{{ ansible_play_hosts | map('extract', hostvars, 'probed') | list }}"
    namespace: podnet-verify
    port: 8080
    path: build/verify.json
"""

RETURN = r"""
ok:
  description: Whether every probe was answered and every check passed.
  returned: always
  type: bool
ansible_facts:
  description: C(ok), C(summary), C(coverage) and C(failures) as C(podnet_verify).
  returned: always
  type: dict
  contains:
    podnet_verify:
      description: The verdict in short.
      type: dict
summary:
  description: For each kind of path how many probes were made and how many arrived.
  returned: always
  type: dict
  sample:
    pod to pod:
      ok: 60
      total: 60
failures:
  description: Each failure in a sentence.
  returned: always
  type: list
  elements: str
  sample: []
"""
