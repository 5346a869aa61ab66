# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: probes
short_description: The probes that a node must make to verify a cluster
version_added: "0.1.0"
author:
  - podnet.cluster contributors (@podnet)
description:
  - From the objects of the Kubernetes API, the probes that one node makes, from itself and from the workload's pods on
    it, so that all nodes together probe every path - pod to pod, pod to node, node to pod, ClusterIP, NodePort,
    hostPort.
positional: _input, node
options:
  _input:
    description: The items of C(kubectl get nodes,pods,services --output json).
    type: list
    elements: dict
    required: true
  node:
    description: The node's name in the cluster.
    type: str
    required: true
  namespace:
    description: The namespace of the workload, whose pods answer HTTP with their own names.
    type: str
    required: true
  port:
    description: The port on which they answer.
    type: int
    required: true
  sample:
    description: How many pods, and how many nodes, each source probes at most; 0 for all.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Probe from this node
  podnet.cluster.probe:
    probes: "{{ items | podnet.cluster.probes('node1', namespace='podnet-verify', port=8080) }}"
"""

RETURN = r"""
_value:
  description: Probes as the module P(podnet.cluster.probe#module) takes them.
  type: list
  elements: dict
"""

from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.verify.cluster.api import cluster
from ..module_utils.verify.cluster.matrix import probes as due


def probes(items: list[dict], node: str, namespace: str, port: int, sample: int = 0) -> list[dict[str, Any]]:
    try:
        found = due(cluster(items), node, namespace, int(port), int(sample))
    except ValueError as error:
        raise AnsibleFilterError(f"podnet.cluster.probes: {error}") from None
    # what is left out has the module's default: it travels to every node
    return [{key: value for key, value in asdict(one).items() if value not in (None, "", [])} for one in found]


class FilterModule:
    def filters(self) -> dict:
        return {"probes": probes}
