#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_runtime
short_description: Install podnet's library, CNI executables and commands on a node
version_added: "0.2.0"
description:
  - Installs this collection's library below O(root), as a directory of its own for each version, with the CNI
    executables and the commands C(podnetctl) and C(podnet-cni) that run from it, and swaps the link V(current) to it in
    one step. A CNI call that runs meanwhile stays with the version that it began with.
  - The version's name follows from the files' content. Nothing is sent to a node that has it already.
  - Versions that have not been current for an hour are removed by the next installation of another one.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  state:
    description: Whether the library should be installed; V(absent) removes all its versions.
    type: str
    choices: [present, absent]
    default: present
  root:
    description: The directory on the node.
    type: path
    default: /opt/podnet
  interpreter:
    description: The Python, 3.9 or newer, that the executables run with. The node must have it.
    type: path
    default: /usr/bin/python3
  version:
    description: The wanted version. The controller computes it; leave it out.
    type: str
  installed:
    description: The version that M(podnet.cluster.node_facts) found below C(/opt/podnet). A node that has the wanted
      one is not asked.
    type: str
  archive:
    description: The library's archive on the node. The controller sends it where it is needed; leave it out.
    type: path
seealso:
  - module: podnet.cluster.conflist
"""

EXAMPLES = r"""
- name: Install the library and the CNI executables
  podnet.cluster.node_runtime:

- name: Install them for another interpreter
  podnet.cluster.node_runtime:
    interpreter: /usr/bin/python3.11

- name: Remove them
  podnet.cluster.node_runtime:
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["install version 0.1.0-3f8e0b1c2d4a"]
version:
  description: The name of the version that is current, or in check mode would be. Empty when there is none.
  returned: success
  type: str
  sample: 0.1.0-3f8e0b1c2d4a
bin_dir:
  description: Where the executables are.
  returned: O(state=present)
  type: str
  sample: /opt/podnet/current/bin
"""

import os
from functools import partial

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import install
from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Change, Plan, StateError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "root": {"type": "path", "default": install.ROOT},
            "interpreter": {"type": "path", "default": install.INTERPRETER},
            "version": {"type": "str"},
            "installed": {"type": "str"},
            "archive": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        if module.params["state"] == "absent":
            _absent(module)
        _present(module)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"node_runtime: {error}")


def _present(module: AnsibleModule) -> None:
    root, interpreter, wanted = (module.params[name] for name in ("root", "interpreter", "version"))
    if not wanted:
        module.fail_json(msg="node_runtime: the version is missing; it comes from the action plugin of the same name")
    before = install.installed(root)
    if before != wanted and not os.access(interpreter, os.X_OK):
        module.fail_json(msg=f"interpreter: {interpreter} is not installed: install it, or name another Python >= 3.9")

    def do() -> None:
        archive = module.params["archive"]
        if not archive:
            return  # the action plugin sends it next
        with open(archive, "rb") as file:
            files = install.unpack(file.read())
        if install.version_name(install.digest(files, interpreter)) != wanted:
            raise StateError(f"archive: {archive} does not hold version {wanted}")
        install.install(files, root, interpreter)

    current = os.path.join(root, "current")
    change = Change("library", current, f"install version {wanted}", _line(before), _line(wanted), do)
    plan = Plan(then=[change] if before != wanted else [])
    run(module, plan, version=wanted, bin_dir=os.path.join(current, "bin"))


def _absent(module: AnsibleModule) -> None:
    root = module.params["root"]
    before = _line(install.installed(root) or "incomplete")
    current = os.path.join(root, "current")
    change = Change("library", current, f"remove {root}", before, "", partial(install.remove, root))
    run(module, Plan(then=[change] if install.present(root) else []), version="")


def _line(version: str) -> str:
    return f"{version}\n" if version else ""


if __name__ == "__main__":
    main()
