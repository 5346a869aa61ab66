#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_copy
short_description: Keep a backup that was fetched
version_added: "0.2.0"
description:
  - Used by the role P(podnet.cluster.backup#role), on the controller. Its options may change with any release.
  - Verifies that the file is what the node wrote, moves it into the directory of backups, readable for its owner alone,
    and removes the cluster's old backups from there. Files of other names are left alone.
extends_documentation_fragment:
  - podnet.cluster.attributes
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
  idempotent:
    support: none
author:
  - podnet.cluster contributors (@podnet)
options:
  src:
    description: The file as it was fetched; on the file system of O(directory).
    type: path
    required: true
  sha256:
    description: Its SHA-256.
    type: str
    required: true
  directory:
    description: The directory.
    type: path
    required: true
  cluster:
    description: The cluster's UID.
    type: str
    required: true
  keep:
    description: How many backups of the cluster stay in the directory, at least one.
    type: int
    default: 7
"""

EXAMPLES = r"""
- name: Keep the backup
  podnet.cluster.backup_copy:
    src: "{{ fetched }}"
    sha256: "{{ made.backup.sha256 }}"
    directory: /srv/backups
    cluster: "{{ made.backup.manifest.cluster }}"
  delegate_to: localhost
"""

RETURN = r"""
changes:
  description: What was done, one line each.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Plan
from ..module_utils.provision import backup


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "sha256": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "cluster": {"type": "str", "required": True},
            "keep": {"type": "int", "default": 7},
        },
    )
    given = module.params
    plan = backup.keep_plan(given["src"], given["sha256"], given["directory"], given["cluster"], given["keep"])
    run(module, Plan(then=plan))


if __name__ == "__main__":
    main()
