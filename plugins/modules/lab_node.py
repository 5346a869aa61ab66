#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: one node of a lab, started or stopped."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_node
short_description: Start, stop or kill a node of a lab
version_added: "0.1.0"
author:
  - podnet.cluster contributors (@podnet)
description:
  - Used by this collection's roles. Its options may change with any release.
  - Starts, shuts down, kills or restarts one node of a lab that M(podnet.cluster.lab_nodes) made. Its disk is kept.
  - What the node's network held is gone with its boot, as on a machine that is switched off.
extends_documentation_fragment:
  - podnet.cluster.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: With I(state=restarted) the node is restarted each time.
options:
  lab:
    description: Name of the lab.
    type: str
    default: lab
  name:
    description: Name of the node.
    type: str
    required: true
  state:
    description:
      - V(stopped) shuts the node down in order; V(killed) ends it as a power cut would.
      - V(restarted) shuts it down and starts it, and always changes.
    type: str
    choices: [started, stopped, killed, restarted]
    default: started
"""

EXAMPLES = r"""
- name: Cut the power of node2
  podnet.cluster.lab_node:
    name: node2
    state: killed
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["kill node2"]
running:
  description: Whether the node runs now.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Change, Plan
from ..module_utils.lab import machine, state

VERBS = {"started": "start", "stopped": "stop", "killed": "kill", "restarted": "restart"}


def main():
    module = AnsibleModule(
        argument_spec={
            "lab": {"type": "str", "default": "lab"},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped", "killed", "restarted"], "default": "started"},
        },
        supports_check_mode=True,
    )
    wanted = module.params["state"]
    try:
        with state.locked(module.params["lab"]):
            lab = state.get(module.params["lab"])
            node = lab.node(module.params["name"])
            running = machine.supervisor(lab, node) is not None
            after = wanted in ("started", "restarted")

            def do():
                if running:
                    (machine.kill if wanted == "killed" else machine.stop)(lab, node)
                if after:
                    machine.start(lab, node)
                    machine.wait_ready(lab, node)

            text = f"{VERBS[wanted]} {node.name}"
            change = Change("node", node.name, text, _line(running), _line(after), do)
            plan = Plan(then=[change] if running != after or wanted == "restarted" else [])
            run(module, plan, running=after)
    except state.LabError as error:
        module.fail_json(msg=str(error))


def _line(running):
    return "running\n" if running else "not running\n"


if __name__ == "__main__":
    main()
