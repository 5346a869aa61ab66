#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wireguard_key
short_description: Create a node's WireGuard key
version_added: "0.2.0"
description:
  - Used by this collection's roles. Its options may change with any release.
  - Creates a private key on the node, in a file that only root reads, where there is none. It never leaves the node,
    and diff mode does not show it.
  - The public half goes into the node's lease, from which M(podnet.cluster.overlay) configures the peers.
  - Needs nothing but Python on the node. A key that C(wg genkey) created is kept.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  path:
    description: The file with the key.
    type: path
    default: /var/lib/podnet/wireguard.key
seealso:
  - module: podnet.cluster.overlay
"""

EXAMPLES = r"""
- name: Create the node's key
  podnet.cluster.wireguard_key:
  register: key

- name: Show the public key
  ansible.builtin.debug:
    var: key.public_key
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["write file /var/lib/podnet/wireguard.key"]
public_key:
  description: The public key, in base64 as C(wg pubkey) prints it; null in check mode where there is no key yet.
  returned: always
  type: str
  sample: pOCSkrZRwni5dyxWn1+puxPZBrRqtoyd+dwrRAn4ogk=
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Plan
from ..module_utils.overlay.config import ConfigError
from ..module_utils.overlay.wireguard_key import PATH, Key


def main() -> None:
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "default": PATH}},
        supports_check_mode=True,
    )
    try:
        key = Key(module.params["path"])
    except ConfigError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    plan = Plan(key.plan())
    run(module, plan, public_key=None if plan and module.check_mode else key.public)


if __name__ == "__main__":
    main()
