#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_certificates
short_description: Have the cluster sign the kubelets' serving certificates
version_added: "0.2.0"
description:
  - Used by the role P(podnet.cluster.cluster#role). Its options may change with any release.
  - Approves the requests of kubelets with C(serverTLSBootstrap) for serving certificates, by rule. A request is
    approved where the kubelet of one of O(nodes) made it for itself (C(CN=system:node:NODE, O=system:nodes)), for a
    server's usages and an ECDSA key on P-256, and where each name in it is the node's name or one of its addresses in
    O(nodes).
  - A request that is refused stays undecided, and fails the task after the others were approved.
  - Run it on a control plane node, with the administrator's kubeconfig.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  nodes:
    description: The nodes whose requests are judged. Requests of others are left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The node's name in Kubernetes.
        type: str
        required: true
      address:
        description: The node's address.
        type: str
        required: true
      addresses:
        description: The node's addresses of both IP versions, where it has both.
        type: list
        elements: str
  awaited:
    description: The names of nodes that have just joined, so that their requests may be on the way.
    type: list
    elements: str
    default: []
  approve:
    description: The UIDs of the requests to approve. The controller decides that; leave it out.
    type: list
    elements: str
    default: []
  kubeconfig:
    description: The administrator's credentials for the Kubernetes API.
    type: path
    default: /etc/kubernetes/admin.conf
  kubectl:
    description: The kubectl command, which turns a kubeconfig in YAML into JSON.
    type: str
    default: kubectl
  timeout:
    description: For how many seconds to wait for requests, and until certificates are signed.
    type: int
    default: 60
notes:
  - Runs partly on the controller, where ansible-core's own requirement C(cryptography) reads the requests.
seealso:
  - module: podnet.cluster.agent_identities
"""

EXAMPLES = r"""
- name: Sign the serving certificates of the nodes' kubelets
  podnet.cluster.kubelet_certificates:
    nodes:
      - name: node1
        address: 192.0.2.11
      - name: node2
        address: 192.0.2.12
  delegate_to: node1
  run_once: true
"""

RETURN = r"""
requests:
  description: The requests that were undecided, each with C(node), C(uid), C(request) (PEM), C(groups) and C(usages).
  returned: success
  type: list
  elements: dict
missing:
  description: Those of O(awaited) that made no request.
  returned: success
  type: list
  elements: str
timeout:
  description: O(timeout).
  returned: success
  type: int
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: [sign the serving certificate of system:node:node1]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Plan
from ..module_utils.kube import rbac, serving
from ..module_utils.kube.client import ApiError, Client
from ..module_utils.overlay.config import ConfigError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "address": {"type": "str", "required": True},
                    "addresses": {"type": "list", "elements": "str"},
                },
            },
            "awaited": {"type": "list", "elements": "str", "default": []},
            "approve": {"type": "list", "elements": "str", "default": []},
            "kubeconfig": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
            "kubectl": {"type": "str", "default": "kubectl"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    awaited = {node["name"]: node["address"] for node in wanted["nodes"] if node["name"] in wanted["awaited"]}
    try:
        kubectl = module.get_bin_path(wanted["kubectl"]) or wanted["kubectl"]
        client = Client(rbac.administrator(wanted["kubeconfig"], [kubectl]))
        found, missing = serving.wait(client, awaited, 0 if module.check_mode else wanted["timeout"])
    except (ConfigError, ApiError, OSError, ValueError) as error:
        module.fail_json(msg=f"kubelet_certificates: {error}")
    requests = [
        {"node": node["name"], **serving.essence(each)}
        for node in wanted["nodes"]
        for each in found.get(serving.user(node["name"]), [])
    ]
    chosen = [each for some in found.values() for each in some if each["metadata"]["uid"] in wanted["approve"]]
    plan = Plan(then=[serving.Approvals(client, chosen, wanted["timeout"])])
    run(module, plan, requests=requests, missing=missing, timeout=wanted["timeout"])


if __name__ == "__main__":
    main()
