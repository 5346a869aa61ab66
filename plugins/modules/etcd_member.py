#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_member
short_description: Remove a lost member from etcd
version_added: "0.2.0"
description:
  - Used by the role P(podnet.cluster.control_plane#role). Its options may change with any release.
  - Removes the member of a control plane that is lost or leaves, by the etcd of the control plane that it runs on. etcd
    refuses where the members that are left would have no majority.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  name:
    description: The member's name, which is its node's. Must not be that of the node on which the module runs.
    type: str
    required: true
  state:
    description: Only V(absent). Members are added by C(kubeadm join).
    type: str
    choices: [absent]
    required: true
"""

EXAMPLES = r"""
- name: Remove the member of a node that is lost
  podnet.cluster.etcd_member:
    name: node3
    state: absent
  delegate_to: node1
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: [remove member node3]
"""

from collections.abc import Iterator
from functools import partial

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Change, Plan
from ..module_utils.kube import etcd


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["absent"], "required": True},
        },
        supports_check_mode=True,
    )
    run(module, Plan(then=_removal(module.params["name"])))


def _removal(name: str) -> Iterator[Change]:
    for member in etcd.members():
        if member.name == name:
            do = partial(etcd.remove, member)
            yield Change("etcd", f"member {name}", f"remove member {name}", f"{member.peer}\n", "", do)


if __name__ == "__main__":
    main()
