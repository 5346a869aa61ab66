#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_cleanup
short_description: Remove what a cluster left on a node
version_added: "0.2.0"
description:
  - Used by this collection's roles. Its options may change with any release.
  - Removes containers, mounts, network namespaces, links, routes, packet filter chains and tables, control groups and
    paths, in an order in which they can go. What is not named stays.
  - Check mode reports what is left; a task with C(check_mode) and C(failed_when) on its result proves that nothing is.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  container_namespaces:
    description: containerd's namespaces whose tasks and containers go.
    type: list
    elements: str
    default: []
  image_namespaces:
    description: containerd's namespaces whose images go, and the namespaces themselves; name them as
      O(container_namespaces) too.
    type: list
    elements: str
    default: []
  pods:
    description: Unix sockets of container runtimes whose pods go, by the CRI.
    type: list
    elements: path
    default: []
  images:
    description: Unix sockets of container runtimes whose images go, by the CRI.
    type: list
    elements: path
    default: []
  mounts:
    description: Directories below which mounts go; a mount on the directory itself stays.
    type: list
    elements: path
    default: []
  namespaces:
    description: Regular expressions that names of network namespaces must match in full.
    type: list
    elements: str
    default: []
  links:
    description: Regular expressions that names of links must match in full.
    type: list
    elements: str
    default: []
  route_networks:
    description: Networks; routes of the main table to destinations inside them go.
    type: list
    elements: str
    default: []
  nft_tables:
    description: nftables tables, by family and name, such as V(inet podnet).
    type: list
    elements: str
    default: []
  chain_prefixes:
    description:
      - Beginnings of the names of iptables' chains, in all tables, of nft and legacy variants, for IPv4 and IPv6. Rules
        of other chains that lead into them go too; all others stay.
    type: list
    elements: str
    default: []
  cgroups:
    description: Names of control groups at the top of any hierarchy.
    type: list
    elements: str
    default: []
  paths:
    description: Shell patterns of files, and of directories with all that is in them; of a mount point its content
      goes.
    type: list
    elements: path
    default: []
  empty_directories:
    description: Directories that go if they are empty then.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Remove what kube-proxy made
  podnet.cluster.node_cleanup:
    chain_prefixes: [KUBE-]

- name: Prove that nothing is left of it
  podnet.cluster.node_cleanup:
    chain_prefixes: [KUBE-]
  check_mode: true
  register: left
  failed_when: left is failed or left is changed
"""

RETURN = r"""
changes:
  description: What was removed, or in check mode is left, one line each.
  returned: always
  type: list
  elements: str
  sample: [remove link cni0, "remove iptables-nft's chains KUBE-*"]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Plan
from ..module_utils.provision.cleanup import find

TEXTS = (
    "container_namespaces",
    "image_namespaces",
    "namespaces",
    "links",
    "route_networks",
    "nft_tables",
    "chain_prefixes",
    "cgroups",
)
PATHS = ("pods", "images", "mounts", "paths", "empty_directories")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "list", "elements": "str", "default": []} for name in TEXTS},
            **{name: {"type": "list", "elements": "path", "default": []} for name in PATHS},
        },
        supports_check_mode=True,
    )
    run(module, Plan(then=find(module.params)))


if __name__ == "__main__":
    main()
