#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_facts
short_description: Gather what is on a node, and check that it fits the cluster
version_added: "0.1.0"
description:
  - Gathers in one go what the roles need to know of a node, as C(ansible_facts.podnet_node).
  - With O(check) it fails when the node does not fit the cluster's variables, with all errors at once, each with the
    variable, its value and what would be right.
  - Changes nothing.
extends_documentation_fragment:
  - podnet.cluster.attributes
author:
  - podnet.cluster contributors (@podnet)
options:
  address:
    description: The node's underlay address; without one it is found by O(interface), or by the default route.
    type: str
  interface:
    description: The interface that has the underlay address.
    type: str
  packages:
    description: Packages whose installed versions are of interest; by distribution family.
    type: dict
    default: {}
  images:
    description: Whether to list the images that containerd has.
    type: bool
    default: false
  check:
    description: What the node is to be; without it nothing is checked.
    type: dict
    suboptions:
      release:
        description: The Kubernetes release.
        type: str
        required: true
      control_plane:
        description: Whether the node is a control plane.
        type: bool
        default: false
      networks:
        description: The pod and service networks, by the variable's name; none of the node's own may overlap them.
        type: dict
        default: {}
      peers:
        description: Underlay addresses that must answer an ICMP echo request.
        type: list
        elements: str
        default: []
      archive:
        description: A Kubernetes archive that must be on the node.
        type: path
      backend:
        description: The overlay's back end, of whose needs the node's kernel must be capable.
        type: str
        default: vxlan
      upgrade:
        description: Whether the node is to be upgraded to O(check.release), rather than to have it.
        type: bool
        default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Look at the node
  podnet.cluster.node_facts:
    interface: eth1
    check:
      release: "1.37"
      networks:
        overlay_network: 10.244.0.0/16
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: success
  type: dict
  contains:
    podnet_node:
      description: The node.
      type: dict
      contains:
        address:
          description: The underlay address.
          type: str
        interface:
          description: The interface that has it.
          type: str
        interfaces:
          description: All interfaces, by name, with C(addresses), C(mtu) and C(up).
          type: dict
        default_interface:
          description: The interface of the default route.
          type: str
        hostname:
          description: The host name.
          type: str
        distribution:
          description: C(id), C(version), C(codename), C(name), and the C(family) (debian, redhat, other).
          type: dict
        kernel:
          description: The kernel's release.
          type: str
        architecture:
          description: The architecture, by Go's names.
          type: str
        memory_mib:
          description: Memory, in MiB.
          type: int
        cgroup:
          description: The version of control groups, 1 or 2.
          type: int
        swap:
          description: Swap devices in use.
          type: list
          elements: str
        firewalls:
          description: Firewall services that run (firewalld, ufw).
          type: list
          elements: str
        packages:
          description: Versions of the installed ones of O(packages), by name.
          type: dict
        held:
          description: Those of O(packages) that are held at their version.
          type: list
          elements: str
        images:
          description: The images that containerd has; with O(images).
          type: list
          elements: str
        containerd:
          description: containerd's version, null without it.
          type: str
        containerd_active:
          description: Whether it runs.
          type: bool
        kubelet:
          description: kubelet's version, null without it.
          type: str
        kubelet_active:
          description: Whether it runs.
          type: bool
        joined:
          description: Whether the node is part of a cluster.
          type: bool
        control_plane:
          description: Whether it is its control plane.
          type: bool
errors:
  description: What is wrong; on failure only.
  returned: failure
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.plan import StateError
from ..module_utils.provision import facts, fitness
from ..module_utils.provision.releases import ReleaseError, parse

CHECK = {
    "release": {"type": "str", "required": True},
    "control_plane": {"type": "bool", "default": False},
    "networks": {"type": "dict", "default": {}},
    "peers": {"type": "list", "elements": "str", "default": []},
    "archive": {"type": "path"},
    "backend": {"type": "str", "default": "vxlan"},
    "upgrade": {"type": "bool", "default": False},
}


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str"},
            "interface": {"type": "str"},
            "packages": {"type": "dict", "default": {}},
            "images": {"type": "bool", "default": False},
            "check": {"type": "dict", "options": CHECK},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        family = facts.os_release()["family"]
        node = {**facts.gather(given["packages"].get(family, [])), **facts.underlay()}
        address, interface, errors = facts.place(node, given["address"], given["interface"])
        node.update(address=address, interface=interface)
        if given["images"]:
            node["images"] = facts.images()
        if given["check"]:
            errors += _check(node, given["check"])
    except (StateError, ReleaseError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    if errors:
        module.fail_json(
            msg="the node does not fit; nothing was changed on it:" + "".join(f"\n  {error}" for error in errors),
            errors=errors,
        )
    for firewall in node["firewalls"]:
        module.warn(
            f"{firewall} runs: it must let TCP 6443, 10250 and 30000-32767 and the overlay's UDP port pass "
            "between the nodes"
        )
    module.exit_json(changed=False, ansible_facts={"podnet_node": node})


def _check(node: dict, wanted: dict) -> list[str]:
    release = parse(wanted["release"])
    given = (wanted["control_plane"], wanted["networks"], wanted["archive"], wanted["upgrade"], wanted["backend"])
    errors = list(fitness.problems(node, release, *given))
    peers = [peer for peer in wanted["peers"] if peer != node["address"]]
    silent = fitness.unanswered(peers)
    return errors + [
        f"node_address: {peer} answers no ICMP echo request of this node's: mend the way between them, or give "
        "the address of "
        "an interface that reaches it (node_check_peers: false leaves this out where ICMP is filtered)"
        for peer in silent
    ]


if __name__ == "__main__":
    main()
