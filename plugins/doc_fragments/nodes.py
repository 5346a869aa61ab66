# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  nodes:
    description: The cluster's nodes, as the filter P(podnet.cluster.cluster_nodes#filter) lists them.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: The inventory's name of the node.
        type: str
        required: true
      name:
        description: The name the node has in Kubernetes.
        type: raw
      address:
        description: The node's underlay address, if the inventory gives one.
        type: raw
      control_plane:
        description: Whether it is in the group C(control_plane).
        type: bool
        default: false
      runtime:
        description: Its container runtime.
        type: raw
        default: containerd
      cni_version:
        description: The version of its network configuration, if it is not the role's.
        type: raw
"""
