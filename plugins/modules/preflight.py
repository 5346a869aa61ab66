#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check a cluster's variables before any node is touched
version_added: "0.1.0"
description:
  - Checks everything about a cluster that can be known on the controller, and reports all errors at once, each with the
    variable, its value and what would be right.
  - Reads the Kubernetes archive, if one is used and it is on the controller, and verifies every checksum in it.
  - Looks at no node; M(podnet.cluster.node_facts) does.
extends_documentation_fragment:
  - podnet.cluster.attributes
author:
  - podnet.cluster contributors (@podnet)
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
  overlay_network:
    description: The pod network; for dual-stack one of each IP version with a comma between them.
    type: raw
    default: 10.244.0.0/16
  overlay_node_prefix:
    description: The length of a node's part of it.
    type: raw
    default: 24
  overlay_node_prefix_ipv6:
    description: The same for IPv6.
    type: raw
    default: 64
  overlay_backend:
    description: How packets get to the pods of another node.
    type: raw
    default: {}
  control_plane_service_network:
    description: The network of the Services' addresses.
    type: raw
    default: 10.96.0.0/12
  kubernetes_release:
    description: The Kubernetes release.
    type: raw
    default: "1.37"
  kubernetes_source:
    description: Where Kubernetes comes from.
    type: raw
    default: repository
  kubernetes_archive:
    description: The directory of a Kubernetes archive.
    type: raw
    default: ""
  kubernetes_archive_remote:
    description: Whether that directory is on the nodes; then they verify it.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Check the cluster's variables
  podnet.cluster.preflight:
    nodes: "{{ groups['cluster'] | podnet.cluster.cluster_nodes(hostvars, groups['control_plane']) }}"
    overlay_network: "{{ overlay_network }}"
    overlay_node_prefix: "{{ overlay_node_prefix }}"
    overlay_backend: "{{ overlay_backend }}"
    control_plane_service_network: "{{ control_plane_service_network }}"
    kubernetes_release: "{{ kubernetes_release }}"
    kubernetes_source: "{{ kubernetes_source }}"
    kubernetes_archive: "{{ kubernetes_archive | default(omit) }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
errors:
  description: What is wrong; on failure only.
  returned: failure
  type: list
  elements: dict
  contains:
    variable:
      description: The variable's name.
      type: str
    value:
      description: Its value.
      type: raw
    message:
      description: What is wrong with it, and what would be right.
      type: str
release:
  description: What follows from the release, as the filter P(podnet.cluster.kubernetes_release#filter) gives it.
  returned: success
  type: dict
images:
  description: Names of the images in the archive.
  returned: success, when an archive is on the controller
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.provision.checks import check

#: The variables, each with the roles' default.
VARIABLES = {
    "overlay_network": "10.244.0.0/16",
    "overlay_node_prefix": 24,
    "overlay_node_prefix_ipv6": 64,
    "overlay_backend": {},
    "control_plane_service_network": "10.96.0.0/12",
    "kubernetes_release": "1.37",
    "kubernetes_source": "repository",
    "kubernetes_archive": "",
}


def main() -> None:
    """Runs the module."""
    node = {
        "host": {"type": "str", "required": True},
        "name": {"type": "raw"},
        "address": {"type": "raw"},
        "control_plane": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "list", "elements": "dict", "required": True, "options": node},
            "kubernetes_archive_remote": {"type": "bool", "default": False},
            **{name: {"type": "raw", "default": default} for name, default in VARIABLES.items()},
        },
        supports_check_mode=True,
    )
    outcome = check(module.params, module.params["nodes"])
    if outcome.problems or outcome.release is None:
        count = "1 thing is" if len(outcome.problems) == 1 else f"{len(outcome.problems)} things are"
        lines = "".join(f"\n  {problem}" for problem in outcome.problems)
        module.fail_json(
            msg=f"{count} wrong in the cluster's variables; no node was touched:{lines}",
            errors=[problem._asdict() for problem in outcome.problems],
        )
    images = {"images": sorted(outcome.archive.images)} if outcome.archive else {}
    module.exit_json(changed=False, release=outcome.release.as_data(), **images)


if __name__ == "__main__":
    main()
