#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image
short_description: Have a node's container runtime pull an image
version_added: "0.2.0"
description:
  - Used by the role C(verify). Its options may change with any release.
  - Pulls an image that the runtime does not have, as the kubelet does, and fails where it cannot be had.
  - A runtime that does not answer is no failure of this module, since other checks report it.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  name:
    description: The image, with its registry and tag.
    type: str
    required: true
  node:
    description: The node's name in findings.
    type: str
    required: true
  socket:
    description: The runtime's Unix socket.
    type: path
    default: /run/containerd/containerd.sock
  timeout:
    description: Seconds that the pull may take.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Pull an image
  podnet.cluster.container_image:
    name: registry.k8s.io/e2e-test-images/busybox:1.36.1-1
    node: "{{ inventory_hostname }}"
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: success
  type: list
  elements: str
findings:
  description: That the image cannot be had, with C(code), C(node), C(subject), C(parameters), C(text) and C(fix).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Change, Plan
from ..module_utils.findings import render
from ..module_utils.verify.model.runtimes import DEFAULT, RUNTIMES
from ..module_utils.verify.observe import cri_image


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "node": {"type": "str", "required": True},
            "socket": {"type": "path", "default": RUNTIMES[DEFAULT].socket},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    image, socket = module.params["name"], module.params["socket"]
    try:
        present = cri_image.is_present(socket, image)
    except OSError as error:
        module.warn(f"image {image}: the container runtime does not answer ({error})")
        present = True

    def pull() -> None:
        finding = cri_image.pull(socket, image, module.params["node"], module.params["timeout"])
        if finding:
            module.fail_json(msg=render.line(finding), findings=[render.as_json(finding)])

    run(module, Plan([] if present else [Change("image", image, f"pull {image}", "", f"{image}\n", pull)]))


if __name__ == "__main__":
    main()
