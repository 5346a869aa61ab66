#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_state
short_description: Declare a node's files, kernel settings, systemd units and pod network in one task
version_added: "0.1.0"
description:
  - Used by this collection's roles. Its options may change with any release.
  - Brings files, the host name, kernel modules, sysctls, swap, the overlay, systemd units and the conflist to the
    declared state, in this order.
  - One task instead of one for each thing, since a task's start costs more than its work.
  - A restart that is due after a file changed is kept for the next run where this one fails in between.
  - A node whose facts say that it is in the state already is not asked.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  name:
    description: The name under which the state is kept on the node. M(podnet.cluster.node_facts) with
      O(podnet.cluster.node_facts#module:in_sync) tells which named states the node still is in. A state with secrets is
      not kept.
    type: str
  facts:
    description: What M(podnet.cluster.node_facts) found. A node that is in the state by them is not asked.
    type: dict
  digest:
    description: The digest of what is asked for. The controller computes it; leave it out.
    type: str
  files:
    description: Files, directories and links.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The absolute path. Missing parent directories are created.
        type: path
        required: true
      state:
        description:
          - V(absent) removes whatever is there, a directory with all that is in it.
          - V(restored) restores what O(files[].backup) kept, or removes a file that was written by this collection.
        type: str
        choices: [file, directory, link, absent, restored]
        default: file
      content:
        description: The file's whole text, or its block's.
        type: str
        default: ""
      block:
        description: Manage only the part of the file between two marks with this name; an empty O(files[].content)
          removes it.
        type: str
      target:
        description: What a link points to.
        type: str
      mode:
        description: The mode in octal, as text; a new file's is C(0644) without it.
        type: str
      owner:
        description: The owner; a new file's is root without it.
        type: str
      group:
        description: The group.
        type: str
      backup:
        description:
          - Whether a file that was there before is kept beside it, with C(.before-podnet) at its name's end.
        type: bool
        default: false
      secret:
        description: Whether diff mode hides the content, also of a file that is removed.
        type: bool
        default: false
      secret_content:
        description: O(files[].content) of a file with O(files[].secret), which then is in no log and no output either.
        type: str
  hostname:
    description: The host name, now and for the next boot.
    type: str
  kernel_modules:
    description: Modules to load now. One that is built in, or whose proof exists, counts as loaded.
    type: list
    elements: str
    default: []
  kernel_module_proofs:
    description: By module, a path that exists, or C(filesystem:NAME) that is known, where the kernel has it built in.
    type: dict
    default: {}
  sysctls:
    description:
      - Values by name, set now; write a file below C(/etc/sysctl.d) to have them at the next boot.
      - A name that starts with C(-) is left alone where the kernel does not have it.
    type: dict
    default: {}
  swap:
    description: V(off) swaps off and takes swap out of C(/etc/fstab).
    type: str
    choices: ["off", keep]
    default: keep
  units:
    description: systemd units. New unit files are loaded before.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The unit's name, of a service without its suffix.
        type: str
        required: true
      enabled:
        description: Whether it starts with the system.
        type: bool
      state:
        description: Whether it runs.
        type: str
        choices: [started, stopped]
      masked:
        description: Whether it is masked.
        type: bool
      restart_on:
        description: Paths in O(files) or of O(conflist); when one of them is changed, a running unit is restarted.
        type: list
        elements: str
        default: []
      reload_on:
        description: Paths in O(files); when one of them was changed, the unit is reloaded if it runs.
        type: list
        elements: str
        default: []
  overlay:
    description: The node's overlay, by the options of M(podnet.cluster.overlay).
    type: dict
  conflist:
    description: The CNI configuration, by the options of M(podnet.cluster.conflist).
    type: dict
"""

EXAMPLES = r"""
- name: Configure containerd
  podnet.cluster.node_state:
    files:
      - path: /etc/containerd/config.toml
        content: "{{ lookup('ansible.builtin.template', 'config.toml.j2') }}"
    units:
      - name: containerd
        enabled: true
        state: started
        restart_on: [/etc/containerd/config.toml]

- name: Prepare the kernel
  podnet.cluster.node_state:
    kernel_modules: [br_netfilter]
    sysctls:
      net.ipv4.ip_forward: 1
    swap: "off"
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: [write file /etc/containerd/config.toml, restart containerd.service]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import StateError
from ..module_utils.findings import render
from ..module_utils.provision import node, remembered

FILE = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["file", "directory", "link", "absent", "restored"], "default": "file"},
    "content": {"type": "str", "default": ""},
    "block": {"type": "str"},
    "target": {"type": "str"},
    "mode": {"type": "str"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "backup": {"type": "bool", "default": False},
    "secret": {"type": "bool", "default": False},
    "secret_content": {"type": "str", "no_log": True},
}
UNIT = {
    "name": {"type": "str", "required": True},
    "enabled": {"type": "bool"},
    "state": {"type": "str", "choices": ["started", "stopped"]},
    "masked": {"type": "bool"},
    "restart_on": {"type": "list", "elements": "str", "default": []},
    "reload_on": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "facts": {"type": "dict"},
            "digest": {"type": "str"},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": FILE,
                "required_if": [("state", "link", ["target"])],
            },
            "hostname": {"type": "str"},
            "kernel_modules": {"type": "list", "elements": "str", "default": []},
            "kernel_module_proofs": {"type": "dict", "default": {}},
            "sysctls": {"type": "dict", "default": {}},
            "swap": {"type": "str", "choices": ["off", "keep"], "default": "keep"},
            "units": {"type": "list", "elements": "dict", "default": [], "options": UNIT},
            "overlay": {"type": "dict"},
            "conflist": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    for spec in module.params["files"]:
        if spec["secret_content"] is not None:
            spec.update(content=spec["secret_content"], secret=True)
        if spec["mode"] is not None and not _is_octal(spec["mode"]):
            module.fail_json(
                msg=f"files: {spec['path']}: the mode {spec['mode']!r} is not octal: give text such as '0644'"
            )
    try:
        wanted = _checked(module)
        plan = node.plan(
            wanted,
            module.check_mode,
            warn=lambda finding: module.warn(render.warning(finding)),
            done=lambda: wanted["name"] and remembered.keep(wanted["name"], wanted["digest"], wanted),
        )
    except (StateError, OSError) as error:
        module.fail_json(msg=str(error))
    run(module, plan)


def _checked(module: AnsibleModule) -> dict[str, Any]:
    """The parameters, those of other modules with their defaults. What only some tasks ask for is imported there alone:
    it takes as long as all else."""
    wanted = dict(module.params)
    if wanted["overlay"]:
        from ..module_utils.provision.overlay_state import OPTIONS

        wanted["overlay"] = _validated(module, "overlay", OPTIONS)
    if wanted["conflist"]:
        from ..module_utils.provision.conflist_state import OPTIONS

        wanted["conflist"] = _validated(module, "conflist", OPTIONS)
    return wanted


def _validated(module: AnsibleModule, name: str, options: dict[str, Any]) -> dict[str, Any]:
    outcome = ArgumentSpecValidator(options).validate(module.params[name])
    if outcome.error_messages:
        module.fail_json(msg=f"{name}: {'; '.join(outcome.error_messages)}")
    return outcome.validated_parameters


def _is_octal(text: str) -> bool:
    return bool(text) and len(text) <= 5 and set(text) <= set("01234567")


if __name__ == "__main__":
    main()
