#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Back up a cluster from one of its control planes
version_added: "0.2.0"
description:
  - Used by the role P(podnet.cluster.backup#role). Its options may change with any release.
  - Writes a snapshot of etcd, the cluster's keys and kubeadm's configuration as one file that only root can read, and
    removes the cluster's old backups from the directory.
  - Gives space that etcd does not use back to the file system, where that is more than half of much.
extends_documentation_fragment:
  - podnet.cluster.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: none
author:
  - podnet.cluster contributors (@podnet)
options:
  directory:
    description: The node's directory for backups; it is made where it is missing.
    type: path
    default: /var/backups/podnet
  keep:
    description: How many backups of the cluster stay in the directory, at least one.
    type: int
    default: 7
  recipient:
    description: A file on the node with the certificate whose private key alone can open the backup; without one it is
      not encrypted.
    type: path
    default: ""
"""

EXAMPLES = r"""
- name: Back up the cluster
  podnet.cluster.backup:
    keep: 3
"""

RETURN = r"""
path:
  description: The backup on the node.
  returned: success
  type: str
  sample: /var/backups/podnet/podnet-6d2a0c0e-6a4e-4c1b-8ed0-0d5a3a1f2b3c-20261130T161500Z.tar.gz
sha256:
  description: Its SHA-256.
  returned: when it was written
  type: str
manifest:
  description: What is in it, with etcd's C(revision), C(hash), C(keys) and C(size).
  returned: when it was written
  type: dict
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Plan
from ..module_utils.provision import backup


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "default": backup.DIRECTORY},
            "keep": {"type": "int", "default": 7},
            "recipient": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    given = module.params
    made: dict[str, Any] = {}
    plan = Plan(then=backup.plan(given["directory"], given["keep"], given["recipient"], made))
    run(module, plan, backup=made)


if __name__ == "__main__":
    main()
