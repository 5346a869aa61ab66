#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: agent_credentials
short_description: Manage the credentials of a node's agent for Kubernetes
version_added: "0.2.0"
description:
  - Used by the role P(podnet.cluster.overlay#role). Its options may change with any release.
  - Makes the agent's key on the node, which it never leaves, and a request for a certificate; run again with the
    certificate, it writes a kubeconfig in JSON and the files that it names.
  - Does nothing while the node has a certificate of its own, of the same CA, with more than O(renew_before) days left.
requirements:
  - openssl (the command) on the node
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  state:
    description: Whether the credentials should exist.
    type: str
    choices: [present, absent]
    default: present
  node:
    description: The node's name in Kubernetes. Needed unless O(state=absent).
    type: str
  server:
    description: The URL of the API server. Needed unless O(state=absent).
    type: str
  ca:
    description: The cluster's CA, PEM. Needed unless O(state=absent).
    type: str
  certificate:
    description: The certificate (PEM) that was signed for the request of before.
    type: str
  renew_before:
    description: How many days before its end a certificate is renewed.
    type: int
    default: 60
  kubeconfig:
    description: Where the kubeconfig is.
    type: path
    default: /etc/podnet/kube.json
  directory:
    description: Where key, certificate and CA are.
    type: path
    default: /etc/podnet/kube
attributes:
  diff_mode:
    details: Keys and certificates are not shown.
seealso:
  - module: podnet.cluster.agent_identities
"""

EXAMPLES = r"""
- name: Ask for a certificate, where the node needs one
  podnet.cluster.agent_credentials:
    node: "{{ inventory_hostname }}"
    server: "{{ identities.server }}"
    ca: "{{ identities.ca }}"
  register: credentials
"""

RETURN = r"""
request:
  description: A request for a certificate, PEM; null where the node needs none. In check mode its key is not kept.
  returned: always
  type: str
expires:
  description: When the certificate ends, in seconds since the epoch; null without one.
  returned: always
  type: int
  sample: 1793232000
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: [write file /etc/podnet/kube.json]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.kube import credentials
from ..module_utils.overlay.config import ConfigError, node_name


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "node": {"type": "str"},
            "server": {"type": "str"},
            "ca": {"type": "str"},
            "certificate": {"type": "str"},
            "renew_before": {"type": "int", "default": 60},
            "kubeconfig": {"type": "path", "default": "/etc/podnet/kube.json"},
            "directory": {"type": "path", "default": "/etc/podnet/kube"},
        },
        required_if=[("state", "present", ("node", "server", "ca"))],
        supports_check_mode=True,
    )
    wanted = module.params
    paths = credentials.Paths(wanted["kubeconfig"], wanted["directory"])
    try:
        if wanted["state"] == "present":
            renew_before = wanted["renew_before"] * 86400
            node = node_name(wanted["node"], "node")
            needs = credentials.present(
                paths, node, wanted["server"], wanted["ca"], wanted["certificate"], renew_before
            )
        else:
            needs = credentials.absent(paths)
    except (ConfigError, OSError, ValueError) as error:
        module.fail_json(msg=f"agent_credentials: {error}")
    run(module, needs.plan, request=needs.request, expires=needs.expires)


if __name__ == "__main__":
    main()
