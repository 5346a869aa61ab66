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
  - Used by this collection's roles. Its options may change with any release.
  - Gathers in one go what the roles need to know of a node, as C(ansible_facts.podnet_node).
  - With O(check) it returns what stands against the node as findings, which M(podnet.cluster.preflight_nodes) judges
    together with those of the other nodes.
  - Changes nothing.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
author:
  - podnet.cluster contributors (@podnet)
options:
  node:
    description: The node's name in findings; by default its host name.
    type: str
  controller_time:
    description: The controller's time, in seconds since 1970, from which C(clock_offset) is computed.
    type: float
  address:
    description: The node's underlay address; without one it is found by O(interface), or by the default route.
    type: str
  interface:
    description: The interface that has the underlay address.
    type: str
  ip_versions:
    description: The IP versions that the node needs an address of, the primary first.
    type: list
    elements: int
    choices: [4, 6]
    default: [4]
  packages:
    description: Packages whose installed versions are of interest; by distribution family.
    type: dict
    default: {}
  runtime:
    description: The container runtime that the node should have.
    type: str
    choices: [containerd, crio, docker]
    default: containerd
  artifacts:
    description: Whether to list the executables that M(podnet.cluster.artifacts) installed, and the images that
      the container runtime has.
    type: bool
    default: false
  in_sync:
    description: Whether to tell which of the states that M(podnet.cluster.node_state) keeps by name the node is in.
    type: bool
    default: false
  kernel_modules:
    description: Kernel modules that the node should have.
    type: list
    elements: str
    default: []
  kernel_module_proofs:
    description: As M(podnet.cluster.node_state)'s option.
    type: dict
    default: {}
  check:
    description: What the node should become; without it nothing is checked.
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
        description: The pod and service networks, by variable; none of the node's own may overlap them.
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
      architecture:
        description: What an archive on the controller is for, by Go's names.
        type: str
        default: ''
      ignored:
        description: kubeadm's own checks that are left out, by their names.
        type: list
        elements: str
        default: []
      cgroup_v1:
        description: Whether the kubelet is configured to accept cgroup v1.
        type: bool
        default: false
      backend:
        description: The overlay's back end, which the node's kernel must support.
        type: str
        default: vxlan
      upgrade:
        description: Whether the node should be upgraded to O(check.release), rather than have it already.
        type: bool
        default: false
      adopt:
        description: Whether the node may be in a cluster that was made without this collection.
        type: bool
        default: false
      archive_keyring:
        description: A file of public keys on the node, one of which must have signed the archive's checksums.
        type: str
        default: ''
      api_port:
        description: The port on which the API server of a control plane will listen.
        type: int
        default: 6443
      kube_proxy_mode:
        description: kube-proxy's mode.
        type: str
        default: iptables
      firewalls:
        description: The firewalls that will let the cluster's traffic pass, where they run.
        type: list
        elements: str
        default: []
"""

EXAMPLES = r"""
- name: Gather the node's facts
  podnet.cluster.node_facts:
    interface: eth1
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
        addresses:
          description: The node's addresses of O(ip_versions), one of each.
          type: list
          elements: str
        interface:
          description: The interface that has it.
          type: str
        interfaces:
          description: All interfaces, by name, with C(addresses), C(mac), C(mtu), C(up) and C(accept_ra) (null without
            IPv6).
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
        kernel_modules_installed:
          description: Whether the running kernel's modules are on the node, or it needs none.
          type: bool
        kernel_modules_lacking:
          description: Those of O(kernel_modules) that are not there and cannot be loaded.
          type: list
          elements: str
        iptables_modules_lacking:
          description: The same of what kube-proxy's iptables mode matches by.
          type: list
          elements: str
        memory_mib:
          description: Memory, in MiB.
          type: int
        cpus:
          description: How many CPUs processes may run on.
          type: int
        cgroup:
          description: The version of control groups, 1 or 2.
          type: int
        cgroup_memory:
          description: Whether the memory controller is on.
          type: bool
        clock_offset:
          description: Seconds by which the node's clock is ahead of O(controller_time), transport included.
          type: float
        hosts:
          description: Addresses by name in the block of C(/etc/hosts) that the role C(node) wrote.
          type: dict
        swap:
          description: Swap devices in use.
          type: list
          elements: str
        firewalls:
          description: Firewalls that are on (firewalld, ufw).
          type: list
          elements: str
        network_managers:
          description: Which of systemd-networkd and NetworkManager run.
          type: list
          elements: str
        cloud_setup:
          description: Whether nm-cloud-setup runs, which adds policy routing rules.
          type: bool
        packages:
          description: Versions of the installed ones of O(packages), by name.
          type: dict
        held:
          description: Those of O(packages) that are held at their version.
          type: list
          elements: str
        library:
          description: M(podnet.cluster.node_runtime)'s version that is current; empty without one.
          type: str
        executables:
          description: By path, the SHA-256 of executables that M(podnet.cluster.artifacts) installed and nobody touched
            since; with O(artifacts).
          type: dict
        images:
          description: The images that the container runtime has; with O(artifacts).
          type: list
          elements: str
        archive:
          description: What O(check.archive) says of itself (C(content)), read with the keys O(check.archive_keyring)
            (C(keyring)); null without a valid one; with O(artifacts).
          type: dict
        in_sync:
          description: Digests of M(podnet.cluster.node_state)'s states by name; with O(in_sync).
          type: dict
        agent:
          description: The complete credentials of the node's agent, with C(node), C(server), C(ca) and C(expires); null
            without them.
          type: dict
        containerd:
          description: containerd's version, null without it.
          type: str
        crio:
          description: CRI-O's version, null without it.
          type: str
        docker:
          description: Docker Engine's version, null without it.
          type: str
        cri_dockerd:
          description: cri-dockerd's version, null without it.
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
        membership:
          description: M(podnet.cluster.cluster_membership)'s marker, with C(node) and C(cluster); null without one.
          type: dict
        ours:
          description: Whether the node has the marker, or this collection's library for more than its pod network.
          type: bool
        flannel:
          description: The pod network that flanneld has on the node; empty without flanneld.
          type: str
node:
  description: The node's name in findings.
  returned: success
  type: str
findings:
  description: What stands against the node, each with C(code), C(node), C(subject) and C(parameters).
  returned: success
  type: list
  elements: dict
warned:
  description: The same for what may do no harm.
  returned: success
  type: list
  elements: dict
"""

import os
import socket
import time
from contextlib import suppress

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import install
from ..module_utils.converge.module import run
from ..module_utils.converge.plan import StateError
from ..module_utils.findings.finding import Finding
from ..module_utils.provision import archive, artifacts, facts, fitness, kernel, ping, remembered
from ..module_utils.provision.place import place
from ..module_utils.provision.releases import ReleaseError, parse
from ..module_utils.verify.model.runtimes import DEFAULT, RUNTIMES

#: Where an agent has its credentials.
AGENT = "/etc/podnet/kube"
CHECK = {
    "release": {"type": "str", "required": True},
    "control_plane": {"type": "bool", "default": False},
    "networks": {"type": "dict", "default": {}},
    "peers": {"type": "list", "elements": "str", "default": []},
    "archive": {"type": "path"},
    "architecture": {"type": "str", "default": ""},
    "ignored": {"type": "list", "elements": "str", "default": []},
    "cgroup_v1": {"type": "bool", "default": False},
    "backend": {"type": "str", "default": "vxlan"},
    "upgrade": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    "firewalls": {"type": "list", "elements": "str", "default": []},
    "api_port": {"type": "int", "default": 6443},
    "kube_proxy_mode": {"type": "str", "default": "iptables"},
    "archive_keyring": {"type": "str", "default": "", "no_log": False},
}


def main() -> None:
    now = time.time()
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str"},
            "controller_time": {"type": "float"},
            "address": {"type": "str"},
            "interface": {"type": "str"},
            "ip_versions": {"type": "list", "elements": "int", "choices": [4, 6], "default": [4]},
            "packages": {"type": "dict", "default": {}},
            "runtime": {"type": "str", "choices": list(RUNTIMES), "default": DEFAULT},
            "artifacts": {"type": "bool", "default": False},
            "in_sync": {"type": "bool", "default": False},
            "kernel_modules": {"type": "list", "elements": "str", "default": []},
            "kernel_module_proofs": {"type": "dict", "default": {}},
            "check": {"type": "dict", "options": CHECK},
        },
        supports_check_mode=True,
    )
    given = module.params
    name = given["node"] or socket.gethostname()
    findings: list[Finding] = []
    warnings: list[Finding] = []
    try:
        family = facts.os_release()["family"]
        node = {**facts.gather(given["packages"].get(family, [])), **facts.underlay()}
        node["clock_offset"] = now - given["controller_time"] if given["controller_time"] is not None else None
        found = place(name, node, given["address"], given["interface"], given["ip_versions"])
        node.update(address=found.address, addresses=list(found.addresses), interface=found.interface)
        if given["artifacts"]:
            node.update(executables=artifacts.recorded(), images=[], archive=_archive(given["check"]))
            with suppress(StateError):  # a runtime that is yet to be started: who needs an image asks again
                node["images"] = facts.images(given["runtime"])
        if given["in_sync"]:
            node["in_sync"] = remembered.in_sync()
        node["kernel_modules_lacking"] = kernel.lacking(given["kernel_modules"], given["kernel_module_proofs"])
        node["iptables_modules_lacking"] = kernel.lacking(fitness.IPTABLES, {})
        node.update(library=install.installed(), agent=_agent((node["membership"] or {"node": name})["node"]))
        if given["check"]:
            wanted = _wanted(given["check"])._replace(runtime=given["runtime"])
            findings += [*found.findings, *fitness.check(name, node, wanted)]
            findings += ping.silent(name, [peer for peer in given["check"]["peers"] if peer != node["address"]])
            warnings += fitness.warnings(name, node, wanted)
    except (StateError, ReleaseError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    run(
        module,
        ansible_facts={"podnet_node": node},
        node=name,
        findings=[each.as_json() for each in findings],
        warned=[each.as_json() for each in warnings],
    )


def _agent(node: str) -> dict | None:
    if not os.path.exists(AGENT):
        return None
    from ..module_utils.kube import credentials  # a node without an agent goes without the libraries for TLS

    held = credentials.held(node)
    return held._asdict() if held else None


def _archive(check: dict | None) -> dict | None:
    if not check or not check["archive"]:
        return None
    keyring = check["archive_keyring"]
    try:
        return {"content": archive.read(check["archive"], keyring)._asdict(), "keyring": keyring}
    except archive.ArchiveError:  # fitness has it as a finding
        return None


def _wanted(check: dict) -> fitness.Wanted:
    values = {name: value for name, value in check.items() if name != "peers"}
    values.update(release=parse(check["release"]), archive=check["archive"] or "", ignored=tuple(check["ignored"]))
    values.update(firewalls=tuple(check["firewalls"]))
    return fitness.Wanted(**values)


if __name__ == "__main__":
    main()
