#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificates
short_description: Renew a node's certificates before they expire
version_added: "0.2.0"
description:
  - Used by the role P(podnet.cluster.certificates#role). Its options may change with any release.
  - On a control plane has kubeadm renew its certificates, and restarts etcd and the components one after the other,
    each when the one before is Ready again.
  - On every node has the kubelet sign its serving certificate again. The kubelet's client certificate it renews itself.
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
  days:
    description: How many days a certificate has left when it is renewed.
    type: int
    default: 90
  force:
    description: Whether to renew them whatever they have left.
    type: bool
    default: false
  timeout:
    description: Seconds that a component may take to be Ready again.
    type: int
    default: 240
"""

EXAMPLES = r"""
- name: Renew what expires within 90 days
  podnet.cluster.certificates:
    node: node1
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Plan
from ..module_utils.provision import certificates


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "days": {"type": "int", "default": 90},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 240},
        },
        supports_check_mode=True,
    )
    given = module.params
    run(module, Plan(then=certificates.plan(given["node"], given["days"], given["force"], given["timeout"])))


if __name__ == "__main__":
    main()
