#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_membership
short_description: Mark a node as one of a cluster that this collection made
version_added: "0.2.0"
description:
  - Used by this collection's roles. Its options may change with any release.
  - Writes C(/var/lib/podnet/cluster.json), without which C(reset.yml) and C(remove_node.yml) take nothing from a node.
  - The marker names the node and its cluster, by the UID of the namespace C(kube-system).
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  node:
    description: The node's name in Kubernetes.
    type: str
    required: true
  cluster:
    description: The cluster's UID; without it that of a marker which is there stays.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Mark the node as this collection's, before it joins a cluster
  podnet.cluster.cluster_membership:
    node: node1
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: [write file /var/lib/podnet/cluster.json]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Plan
from ..module_utils.provision import membership


def main() -> None:
    module = AnsibleModule(
        argument_spec={"node": {"type": "str", "required": True}, "cluster": {"type": "str", "default": ""}},
        supports_check_mode=True,
    )
    run(module, Plan(then=membership.plan(module.params["node"], module.params["cluster"])))


if __name__ == "__main__":
    main()
