#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_cidrs_info
short_description: Get the pod CIDRs of nodes
version_added: "0.2.0"
description:
  - Reads the nodes' C(.spec.podCIDRs) from the Kubernetes API, waiting for those that have none yet. For clusters
    without a controller that allocates them, computes what kube-controller-manager's range allocator would.
  - Run it on a control plane node. It changes nothing.
  - In check mode, where the API does not answer yet, returns what to expect.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
author:
  - podnet.cluster contributors (@podnet)
options:
  nodes:
    description: The nodes, in the order in which they were added to the cluster.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The node's name in Kubernetes.
        type: str
        required: true
      address:
        description:
          - The underlay address of the node's tunnels. The default is that of the API or of O(leases_file).
        type: str
      addresses:
        description: The node's underlay addresses of both IP versions, where it has both.
        type: list
        elements: str
      vtep_mac:
        description: The MAC address of the node's VTEP. By default it follows from the name.
        type: str
      public_key:
        description: The node's WireGuard public key. The default is that of O(leases_file).
        type: str
  required:
    description:
      - The names of the nodes that must have pod CIDRs, by default all. The others are left out where none are known,
        as those that never joined the cluster and cannot be reached.
    type: list
    elements: str
  source:
    description:
      - V(api) reads what the cluster gave out.
      - V(allocator) gives pod CIDRs out. What the API says that nodes have they keep, where there is one to ask; what
        the nodes in O(leases_file) have they keep unless that contradicts the API.
    type: str
    choices: [api, allocator]
    default: api
  networks:
    description: The pods' address blocks, one for each IP version at most.
    type: list
    elements: str
    required: true
  node_prefix:
    description: The prefix length of a node's IPv4 pod CIDR.
    type: int
    default: 24
  node_prefix_ipv6:
    description: The prefix length of a node's IPv6 pod CIDR.
    type: int
    default: 64
  services:
    description: The services' address blocks, which are never given to nodes.
    type: list
    elements: str
    default: []
  leases_file:
    description: Where V(allocator) finds what it gave out before.
    type: path
    default: /etc/podnet/leases.json
  kubectl:
    description: The kubectl command.
    type: str
    default: kubectl
  kubeconfig:
    description: The credentials for the Kubernetes API.
    type: path
    default: /etc/kubernetes/admin.conf
  timeout:
    description: For how many seconds to wait until all required nodes have pod CIDRs.
    type: int
    default: 60
seealso:
  - module: podnet.cluster.overlay
"""

EXAMPLES = r"""
- name: Read the pod CIDRs of all nodes
  podnet.cluster.pod_cidrs_info:
    nodes:
      - name: node1
        address: 192.0.2.11
      - name: node2
        address: 192.0.2.12
    networks: [10.244.0.0/16]
  delegate_to: node1
  run_once: true
  register: pod_cidrs

- name: Make each node part of the pod network
  podnet.cluster.overlay:
    config:
      node_name: "{{ inventory_hostname }}"
      networks: [10.244.0.0/16]
    leases: "{{ pod_cidrs.leases }}"
"""

RETURN = r"""
leases:
  description: The nodes with their pod CIDRs, in the order of O(nodes), as M(podnet.cluster.overlay) takes them.
  returned: always
  type: list
  elements: dict
  sample:
    - name: node1
      address: 192.0.2.11
      pod_cidrs: [10.244.0.0/24]
pod_cidrs:
  description: The nodes' pod CIDRs by name.
  returned: always
  type: dict
  sample:
    node1: [10.244.0.0/24]
left_out:
  description: The names of nodes that are not required and of which nothing is known.
  returned: always
  type: list
  elements: str
  sample: []
predicted:
  description: The names of nodes whose pod CIDRs are not allocated yet and were predicted (check mode only).
  returned: always
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.ipam.allocator import AllocationError, assign
from ..module_utils.ipam.nodes import ApiError, Known, from_api, from_leases


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "address": {"type": "str"},
                    "addresses": {"type": "list", "elements": "str"},
                    "vtep_mac": {"type": "str"},
                    "public_key": {"type": "str"},
                },
            },
            "required": {"type": "list", "elements": "str"},
            "source": {"type": "str", "choices": ["api", "allocator"], "default": "api"},
            "networks": {"type": "list", "elements": "str", "required": True},
            "node_prefix": {"type": "int", "default": 24},
            "node_prefix_ipv6": {"type": "int", "default": 64},
            "services": {"type": "list", "elements": "str", "default": []},
            "leases_file": {"type": "path", "default": "/etc/podnet/leases.json"},
            "kubectl": {"type": "str", "default": "kubectl"},
            "kubeconfig": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    names = [node["name"] for node in wanted["nodes"]]
    required = names if wanted["required"] is None else wanted["required"]
    predicted: list[str] = []
    try:
        if wanted["source"] == "allocator":
            remembered = from_leases(wanted["leases_file"])
            known = _from_api(module, [], once=True)
            cidrs = _assign(wanted, names, _cidrs(known), _cidrs(remembered))
            known = {**remembered, **known}
        else:
            known = _from_api(module, required, once=module.check_mode)
            cidrs = _cidrs(known)
            if module.check_mode:
                predicted = [name for name in required if name not in known]
                cidrs.update(_assign(wanted, predicted, cidrs, {}))
    except (AllocationError, ApiError) as error:
        module.fail_json(msg=str(error))
    known_before = from_leases(wanted["leases_file"])
    leases = []
    for node in wanted["nodes"]:
        name = node["name"]
        address = node["address"] or (known[name].address if name in known else None)
        if address and name in cidrs:
            if node["public_key"] is None and name in known_before:
                node["public_key"] = known_before[name].public_key
            more = {key: value for key, value in node.items() if value is not None}
            leases.append({**more, "address": address, "pod_cidrs": cidrs[name]})
        elif name in required:
            module.fail_json(msg=f"nodes: {name} has no address, and neither API nor leases have one: give its address")
    cidrs = {lease["name"]: lease["pod_cidrs"] for lease in leases}
    left_out = [name for name in names if name not in cidrs]
    for name in left_out:
        module.warn(f"{name} is left out: it has no pod CIDR")
    run(module, leases=leases, pod_cidrs=cidrs, left_out=left_out, predicted=predicted)


def _cidrs(known: dict[str, Known]) -> dict[str, list[str]]:
    return {name: node.pod_cidrs for name, node in known.items()}


def _assign(
    wanted: dict, names: list[str], occupied: dict[str, list[str]], remembered: dict[str, list[str]]
) -> dict[str, list[str]]:
    lengths = {4: wanted["node_prefix"], 6: wanted["node_prefix_ipv6"]}
    return assign(names, wanted["networks"], lengths, wanted["services"], occupied, remembered)


def _from_api(module: AnsibleModule, names: list[str], once: bool) -> dict[str, Known]:
    """What the API says; ``once``: what it says at once, and nothing where it does not answer."""
    wanted = module.params
    try:
        command = [module.get_bin_path(wanted["kubectl"]) or wanted["kubectl"], "--kubeconfig", wanted["kubeconfig"]]
        return from_api(command, names, 0 if once else wanted["timeout"], partial=once)
    except ApiError:
        if once:
            return {}
        raise


if __name__ == "__main__":
    main()
