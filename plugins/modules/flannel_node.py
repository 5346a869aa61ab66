#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: flannel_node
short_description: Decide whether flanneld runs a node's pod network
version_added: "0.2.0"
description:
  - Used by the playbooks C(migrate_from_flannel.yml) and C(migrate_to_flannel.yml), on a control plane. Its options
    may change with any release.
  - Reads flannel's DaemonSet and C(net-conf.json) and, where O(overlay_network) is given, compares them with the
    collection's variables. Fails with all that differs.
  - With O(node) labels that node, which flannel's DaemonSet keeps off then, and waits until flanneld has ended there;
    or removes the label, and waits until flanneld is ready.
  - With O(agent=flanneld) and no O(node) flannel's DaemonSet becomes what it was, if no node has the label any more.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  agent:
    description: The agent that runs the node's pod network.
    type: str
    choices: [podnetd, flanneld]
    required: true
  node:
    description: The node's name in Kubernetes. Without it no node changes.
    type: str
  overlay_network:
    description: The pods' address blocks that podnetd would have, comma-separated.
    type: str
  overlay_backend:
    description: The back end that podnetd would have.
    type: dict
    default: {}
  control_plane_service_network:
    description: The Services' address blocks that podnetd would know.
    type: str
  kubeconfig:
    description: The administrator's credentials for the Kubernetes API.
    type: path
    default: /etc/kubernetes/admin.conf
  timeout:
    description: For how many seconds to wait for flannel's pods.
    type: int
    default: 180
"""

EXAMPLES = r"""
- name: Check that podnetd can take over from flannel
  podnet.cluster.flannel_node:
    agent: podnetd
    overlay_network: 10.244.0.0/16
    control_plane_service_network: 10.96.0.0/12

- name: Leave a node to podnetd
  podnet.cluster.flannel_node:
    agent: podnetd
    node: node1
"""

RETURN = r"""
network:
  description: The name of flannel's CNI network, by which the pods' addresses are reserved.
  returned: success
  type: str
  sample: cbr0
findings:
  description: What stands against it, each with C(code), C(node), C(subject), C(parameters), C(text) and C(fix).
  returned: failure
  type: list
  elements: dict
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["label node node1 podnet.cluster/flannel=replaced, and end its flanneld"]
"""

from collections.abc import Iterator

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Change, Plan
from ..module_utils.findings import render
from ..module_utils.kube import flannel, rbac
from ..module_utils.kube.client import ApiError, Client
from ..module_utils.overlay.config import ConfigError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "agent": {"type": "str", "choices": ["podnetd", "flanneld"], "required": True},
            "node": {"type": "str"},
            "overlay_network": {"type": "str"},
            "overlay_backend": {"type": "dict", "default": {}},
            "control_plane_service_network": {"type": "str"},
            "kubeconfig": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
        required_together=[("overlay_network", "control_plane_service_network")],
    )
    wanted = module.params
    try:
        client = Client(rbac.administrator(wanted["kubeconfig"], [module.get_bin_path("kubectl") or "kubectl"]))
        found = flannel.find(client)
        if found is None or wanted["overlay_network"]:
            findings = list(flannel.check(found, flannel.service_network(client), wanted))
        else:
            findings = []
        if findings or found is None:
            lines = "".join(f"\n  {render.line(each)}" for each in findings)
            module.fail_json(msg=f"no node was changed:{lines}", findings=[*map(render.as_json, findings)])
        plan = Plan(then=list(_steps(client, found, wanted)))
        network = found.network or "cbr0"
    except (ConfigError, ApiError, OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"flannel_node: {error}")
    run(module, plan, network=network)


def _steps(client: Client, found: flannel.Flannel, wanted: dict) -> Iterator[Change]:
    node, timeout = wanted["node"], wanted["timeout"]
    if node and wanted["agent"] == "podnetd":
        yield from flannel.hand_over(client, found, node, timeout)
    elif node:
        yield from flannel.give_back(client, found, node, timeout)
    elif wanted["agent"] == "flanneld":
        yield from flannel.release(client, found, timeout)


if __name__ == "__main__":
    main()
