#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_record
short_description: Let one playbook at a time change a cluster
version_added: "0.2.0"
description:
  - Used by this collection's playbooks, on the control plane. Writes a record of the run, and fails where another run's
    record is there and that run still goes on.
  - Of a run that was started on this controller it is known whether it goes on; that of another controller counts as
    left behind after two hours.
  - Check mode writes nothing, and fails all the same.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
author:
  - podnet.cluster contributors (@podnet)
options:
  state:
    description: V(begun) writes the record, V(ended) removes it, if it is this run's.
    type: str
    choices: [begun, ended]
    default: begun
  run:
    description: This run; the action plugin of the same name sets it.
    type: dict
  instead_of:
    description: A record that is left behind; the action plugin sets it.
    type: dict
"""

EXAMPLES = r"""
- name: Let no other run change the cluster
  podnet.cluster.run_record:
  delegate_to: "{{ groups['control_plane'] | first }}"
  run_once: true
"""

RETURN = r"""
other:
  description: The record of another run, null without one.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.provision.run_record import Run, begin, current, end


def main() -> None:
    """Runs the module. That the record is written is not a change of the node: it goes with the run."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["begun", "ended"], "default": "begun"},
            "run": {"type": "dict"},
            "instead_of": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    own = Run(**module.params["run"])
    left = Run(**module.params["instead_of"]) if module.params["instead_of"] else None
    other = None
    try:
        if module.params["state"] == "ended":
            module.check_mode or end(own)
        elif module.check_mode:
            found = current()
            other = None if not found or found.is_same(own) or (left and found.is_same(left)) else found
        else:
            other = begin(own, left)
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    run(module, other=other._asdict() if other else None)


if __name__ == "__main__":
    main()
