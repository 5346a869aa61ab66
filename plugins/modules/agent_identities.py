#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: agent_identities
short_description: Manage the identities and rights of the nodes' agents in Kubernetes
version_added: "0.2.0"
description:
  - Used by the role P(podnet.cluster.overlay#role). Its options may change with any release.
  - Makes the roles and bindings that let the agents of O(nodes) get, list and watch nodes, and each of them patch the
    status and the annotations of its own node, nothing more; with O(policies) they may also read what policies depend
    on. Has the cluster sign the certificates that the agents ask for.
  - The status of a node takes labels, finalizers and addresses, too. A ValidatingAdmissionPolicy refuses what agents
    do not write (Kubernetes 1.30 or later).
  - A request is approved only where it says C(CN=podnet:node:NODE, O=podnet:nodes) for the node under whose name it
    stands in O(requests), asks for no extensions, and is for an ECDSA key on P-256. The controller checks that, and
    checks the signed certificate against the request.
  - Roles of ours for nodes that are neither in O(nodes) nor in the cluster are removed.
  - Run it on a control plane node, with the administrator's kubeconfig.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  nodes:
    description: The names of the nodes in Kubernetes.
    type: list
    elements: str
    required: true
  requests:
    description: Requests for certificates (PEM) as M(podnet.cluster.agent_credentials) makes them, by the node's name
      in the inventory. Only names in O(nodes) are allowed.
    type: dict
    default: {}
  policies:
    description: Whether the agents enforce NetworkPolicies, and so may get, list and watch pods, namespaces and
      policies.
    type: bool
    default: false
  kubeconfig:
    description: The administrator's credentials for the Kubernetes API.
    type: path
    default: /etc/kubernetes/admin.conf
  kubectl:
    description: The kubectl command, which turns a kubeconfig in YAML into JSON.
    type: str
    default: kubectl
  timeout:
    description: For how many seconds to wait until all certificates are signed.
    type: int
    default: 60
notes:
  - Runs partly on the controller, where ansible-core's own requirement C(cryptography) reads requests and certificates.
seealso:
  - module: podnet.cluster.agent_credentials
"""

EXAMPLES = r"""
- name: Give the agents their rights
  podnet.cluster.agent_identities:
    nodes: [node1, node2]
  delegate_to: node1
  run_once: true
  register: identities
"""

RETURN = r"""
server:
  description: The URL of the API server.
  returned: when it is known
  type: str
  sample: https://192.0.2.11:6443
ca:
  description: The cluster's CA, PEM.
  returned: when it is known
  type: str
certificates:
  description: The certificates by node, PEM.
  returned: always
  type: dict
kubelets:
  description: The users of kubelets that wait for a serving certificate.
  returned: when they are known
  type: list
  elements: str
  sample: [system:node:node2]
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: [create clusterrole podnet:nodes]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Change, Plan
from ..module_utils.kube import rbac, serving
from ..module_utils.kube.client import ApiError, Client
from ..module_utils.overlay.config import ConfigError, node_name


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "list", "elements": "str", "required": True},
            "requests": {"type": "dict", "default": {}},
            "policies": {"type": "bool", "default": False},
            "kubeconfig": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
            "kubectl": {"type": "str", "default": "kubectl"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    certificates: dict[str, str] = {}
    known: dict[str, Any] = {}
    try:
        nodes = [node_name(each, "nodes") for each in wanted["nodes"]]
        kubectl = module.get_bin_path(wanted["kubectl"]) or wanted["kubectl"]
        credentials = rbac.administrator(wanted["kubeconfig"], [kubectl])
        known = {"server": credentials.server, "ca": rbac.authority(credentials)}
        client = Client(credentials)
        known["kubelets"] = list(serving.undecided(client))
        signatures = rbac.Signatures(client, wanted["requests"], wanted["timeout"])
        certificates = signatures.certificates
        plan = Plan(then=[*rbac.plan(client, nodes, wanted["policies"]), signatures])
    except (ConfigError, ApiError, OSError, ValueError) as error:
        if not (module.check_mode and isinstance(error, (ConfigError, OSError))):
            module.fail_json(msg=f"agent_identities: {error}", certificates={}, **known)
        module.warn(f"the API is not there yet, so its objects are unknown: {error}")
        plan = Plan([Change("identity", "agents", "create the agents' identities", "", "", lambda: None)])
    run(module, plan, certificates=certificates, **known)


if __name__ == "__main__":
    main()
