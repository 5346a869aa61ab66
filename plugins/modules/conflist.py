#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: conflist
short_description: Write a CNI network configuration list
version_added: "0.1.0"
description:
  - Checks a configuration list as container runtimes do, and writes it in one step, so that none reads half of it.
  - Reports the other configurations in the directory that a runtime would take instead, since it takes the first by
    name, and those that are invalid, of which one before ours keeps containerd from loading any network. They are never
    changed.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  state:
    description: Whether the file should exist.
    type: str
    choices: [present, absent]
    default: present
  directory:
    description: The runtime's configuration directory.
    type: path
    default: /etc/cni/net.d
  file:
    description: The file's name in O(directory). It ends in C(.conflist).
    type: str
    default: 10-podnet.conflist
  network:
    description: The network's name.
    type: str
    default: podnet
  cni_version:
    description: The version of the CNI specification that the runtime and the plugins speak.
    type: str
    choices: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']
    default: '1.0.0'
  plugins:
    description:
      - The plugins in the order in which they are called, each with its configuration.
      - Required for O(state=present).
    type: list
    elements: dict
  bin_dirs:
    description: Where the runtime finds the plugins. Each plugin must be in one of them, except in check mode.
    type: list
    elements: path
    default: [/opt/podnet/current/bin]
seealso:
  - module: podnet.cluster.node_runtime
"""

EXAMPLES = r"""
- name: Attach pods to the pod network
  podnet.cluster.conflist:
    plugins:
      - type: flannel
        delegate:
          hairpinMode: true
          isDefaultGateway: true
        capabilities:
          portMappings: true

- name: A bridge of this node alone
  podnet.cluster.conflist:
    file: 20-local.conflist
    network: local
    plugins:
      - type: bridge
        bridge: local0
        isDefaultGateway: true
        ipMasq: true
        ipam:
          type: host-local
          ranges: [[{subnet: 10.22.0.0/16}]]

- name: Detach new pods from the network
  podnet.cluster.conflist:
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["write file /etc/cni/net.d/10-podnet.conflist"]
path:
  description: The file.
  returned: success
  type: str
  sample: /etc/cni/net.d/10-podnet.conflist
before_ours:
  description: Other configurations that sort before the file, so that a runtime takes the first of them instead.
  returned: success
  type: list
  elements: str
  sample: [/etc/cni/net.d/05-bridge.conf]
invalid:
  description: Other configurations that are invalid, each with the reason.
  returned: success
  type: dict
  sample:
    /etc/cni/net.d/99-x.conf: "/etc/cni/net.d/99-x.conf: neither plugins nor type is there"
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Plan, StateError
from ..module_utils.findings import render
from ..module_utils.provision import conflist_state


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            **conflist_state.OPTIONS,
        },
        required_if=[("state", "present", ["plugins"])],
        supports_check_mode=True,
    )
    options = module.params
    try:
        path = conflist_state.path(options)
        beside = conflist_state.others(options)
        if options["state"] == "present":
            steps = conflist_state.steps(
                options, beside, module.check_mode, lambda each: module.warn(render.warning(each))
            )
        else:
            steps = conflist_state.removal(options)
        run(module, Plan(then=list(steps)), path=path, before_ours=beside.first, invalid=beside.invalid)
    except (OSError, StateError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
