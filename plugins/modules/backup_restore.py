#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_restore
short_description: Make a node's etcd and keys from a backup
version_added: "0.2.0"
description:
  - Used by the role P(podnet.cluster.control_plane#role). Its options may change with any release.
  - Verifies the backup, installs the keys that all nodes of a cluster share, and has etcd's own tool make the data of a
    member from the snapshot. Its revisions go on far ahead of those in the snapshot, so that nothing which follows the
    API holds on to what it had seen.
  - Refuses a node that has an etcd, and an image whose etcd is older than the backup's.
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
  path:
    description: The backup on the node, not encrypted.
    type: path
    required: true
  image:
    description: The image of the etcd that the node will have.
    type: str
    required: true
  name:
    description: The node's name in Kubernetes, and its member's in etcd.
    type: str
    required: true
  peer_url:
    description: The URL by which other members will reach it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Restore the cluster's keys and data
  podnet.cluster.backup_restore:
    path: /var/lib/podnet/restore.tar.gz
    image: registry.k8s.io/etcd:3.7.0-0
    name: node1
    peer_url: https://192.0.2.11:2380
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
"""

import tempfile

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Plan
from ..module_utils.findings import render
from ..module_utils.provision import backup, backup_file


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "image": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "peer_url": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    with tempfile.TemporaryDirectory(dir="/var/lib/podnet", prefix="restore-") as directory:
        try:
            manifest = backup_file.read(given["path"], directory)
        except backup_file.BackupError as error:
            module.fail_json(msg=render.line(error.finding), findings=[render.as_json(error.finding)])
        run(
            module,
            Plan(then=backup.restore_plan(directory, manifest, given["image"], given["name"], given["peer_url"])),
        )


if __name__ == "__main__":
    main()
