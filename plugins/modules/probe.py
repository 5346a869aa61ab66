#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Prove that packets get from a node or a pod to an address
version_added: "0.1.0"
description:
  - Makes ICMP, TCP and UDP probes from the node itself or from the network namespace of a pod on it, many at a time,
    and reports for each whether it was answered, in which time, and if not, why.
  - Can capture meanwhile which VXLAN packets pass the node's devices.
  - Finds pods by the results that the container runtime keeps of CNI calls; needs nothing but Python on the node and
    changes nothing there.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
author:
  - podnet.cluster contributors (@podnet)
options:
  probes:
    description: The probes to make.
    type: list
    elements: dict
    required: true
    suboptions:
      kind:
        description:
          - V(icmp) sends an echo request that must not be fragmented.
          - V(tcp) connects and, if O(probes[].send) or O(probes[].expect) is given, exchanges data.
          - V(udp) sends a datagram; without O(probes[].expect) the target's own "port unreachable" is an answer too.
        type: str
        choices: [icmp, tcp, udp]
        required: true
      address:
        description: Where to, an IPv4 or IPv6 address.
        type: str
        required: true
      port:
        description: The port of a V(tcp) or V(udp) probe.
        type: int
      pod:
        description:
          - The pod to start from, as C(namespace/name). It must run on this node and have a network namespace of its
            own.
        type: str
      netns:
        description: The path of the network namespace to start from, instead of O(probes[].pod).
        type: path
      size:
        description: Bytes of an ICMP probe's whole IP packet; V(0) for as many as the path's MTU allows.
        type: int
        default: 84
      send:
        description: What to send.
        type: str
        default: ""
      expect:
        description: Texts of which one must be in the answer. Without any, every answer will do.
        type: list
        elements: str
        default: []
      timeout:
        description: Seconds that one attempt may take.
        type: float
        default: 1.0
      attempts:
        description: How often to try before the probe counts as failed.
        type: int
        default: 3
      source:
        description: The source's name in the result. The default is the pod's or the namespace's, else O(node).
        type: str
      target:
        description: The target's name in the result. The default is its address.
        type: str
      scope:
        description: What the probe proves, for the result, such as V(pod to pod).
        type: str
        default: ""
  node:
    description: The node's name in the result. The default is its host name.
    type: str
  capture:
    description: UDP port of the VXLAN packets to capture while the probes run. Without it nothing is captured.
    type: int
  interface:
    description: The pods' interface.
    type: str
    default: eth0
  limit:
    description: How many probes may be under way at a time.
    type: int
    default: 64
  checks:
    description: Whether to compare the node with its desired state, as M(podnet.cluster.node_network_info) does.
    type: bool
    default: false
  conflist:
    description: Path of our CNI configuration list in the container runtime's directory.
    type: path
    default: /etc/cni/net.d/10-podnet.conflist
  required:
    description: Whether the task should fail when a probe does.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Prove that this node reaches a pod with packets as large as the MTU
  podnet.cluster.probe:
    probes:
      - kind: icmp
        address: 10.244.1.2
        size: 0

- name: Prove that a pod of this node gets an answer from a service
  podnet.cluster.probe:
    probes:
      - kind: tcp
        pod: default/web-0
        address: 10.96.0.10
        port: 8080
        send: "GET / HTTP/1.0\r\n\r\n"
        expect: ["200 OK"]
"""

RETURN = r"""
node:
  description: The node's name.
  returned: always
  type: str
  sample: node1
results:
  description:
    - One entry for each probe, in their order. C(failure) is a finding with C(code), C(parameters), C(text) and C(fix).
  returned: always
  type: list
  elements: dict
  sample:
    - source: default/web-0
      target: 10.244.1.2
      scope: pod to pod
      kind: icmp
      address: 10.244.1.2
      port: null
      size: 1450
      node: node1
      ok: true
      failure: null
      ms: 0.412
      attempts: 1
flows:
  description:
    - The VXLAN packets that were captured, by device, direction (C(in) or C(out)), outer addresses and VNI.
  returned: when O(capture) is given
  type: list
  elements: dict
  sample:
    - device: host0
      node: node1
      direction: out
      source: 10.77.0.11
      destination: 10.77.0.12
      vni: 1
      packets: 24
checks:
  description: As RV(podnet.cluster.node_network_info#module:checks), and whether packets between pods were translated.
  returned: with O(checks)
  type: list
  elements: dict
about:
  description: As RV(podnet.cluster.node_network_info#module:about).
  returned: with O(checks)
  type: dict
policy:
  description: The policies that the node enforces, as C(policy) of a node's state; null where it enforces none.
  returned: with O(checks)
  type: dict
attachments:
  description: The pods' interfaces on this node.
  returned: always
  type: list
  elements: dict
  sample:
    - name: default/web-0
      container_id: 4f5c1e1b0d2a
      network: podnet
      interface: eth0
      netns: /var/run/netns/cni-3a6c
      addresses: [10.244.1.2]
vteps:
  description: The node's VXLAN devices.
  returned: always
  type: list
  elements: dict
  sample:
    - device: flannel.1
      mac: 0a:16:1c:de:2b:01
      vni: 1
      port: 8472
      local: 10.77.0.11
      mtu: 1450
      up: true
      addresses: [10.244.0.0/32]
"""

import platform
from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.cli.render_checks import answer_as_json, probe_text
from ..module_utils.converge.module import run as end
from ..module_utils.netlink.channel import Channel
from ..module_utils.verify.checks import control_plane
from ..module_utils.verify.checks.node import about, checks, nat_between_pods
from ..module_utils.verify.model.answer import NodeAnswer
from ..module_utils.verify.observe.attachments import attachments
from ..module_utils.verify.observe.node import at, collect
from ..module_utils.verify.observe.vtep import vteps
from ..module_utils.verify.probe import conntrack
from ..module_utils.verify.probe.probe import KINDS, Probe
from ..module_utils.verify.probe.runner import run
from ..module_utils.verify.probe.vxlan_counter import VxlanCounter

PROBE = {
    "kind": {"type": "str", "choices": list(KINDS), "required": True},
    "address": {"type": "str", "required": True},
    "port": {"type": "int"},
    "pod": {"type": "str"},
    "netns": {"type": "path"},
    "size": {"type": "int", "default": 84},
    "send": {"type": "str", "default": ""},
    "expect": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 1.0},
    "attempts": {"type": "int", "default": 3},
    "source": {"type": "str"},
    "target": {"type": "str"},
    "scope": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "probes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": PROBE,
                "mutually_exclusive": [("pod", "netns")],
            },
            "node": {"type": "str"},
            "capture": {"type": "int"},
            "interface": {"type": "str", "default": "eth0"},
            "limit": {"type": "int", "default": 64},
            "checks": {"type": "bool", "default": False},
            "conflist": {"type": "path", "default": "/etc/cni/net.d/10-podnet.conflist"},
            "required": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    if wanted["limit"] < 1:
        module.fail_json(msg=f"limit {wanted['limit']}: at least 1 probe must be allowed at a time")
    node = wanted["node"] or platform.node()
    attached = attachments(interface=wanted["interface"])
    try:
        probes = [_probe(entry, node, {one.name: one.netns for one in attached}) for entry in wanted["probes"]]
    except ValueError as error:
        module.fail_json(msg=str(error))
    answer = NodeAnswer(node, attachments=attached)
    try:
        _answer(answer, probes, wanted)
    except OSError as error:
        module.fail_json(msg=f"cannot probe from here: {error}")
    found = answer_as_json(answer)
    failed = [result for result in answer.results if not result.ok]
    if failed and wanted["required"]:
        message = f"{len(failed)} of {len(probes)} probes failed; {probe_text(failed[0])}"
        module.fail_json(msg=message, changed=False, **found)
    end(module, **found)


def _answer(answer: NodeAnswer, probes: list[Probe], wanted: dict) -> None:
    """Enter what the module was asked for. Raises OSError."""
    state = collect(at(wanted["conflist"])) if wanted["checks"] else None
    before = conntrack.remembered(echoes=True) if state else []
    with Channel() as channel:
        answer.vteps = vteps(channel)
    if wanted["capture"]:
        with VxlanCounter(wanted["capture"]) as counter:
            answer.results = run(probes, wanted["limit"], counter)
            answer.flows = [replace(flow, node=answer.node) for flow in counter.flows()]
    else:
        answer.results = run(probes, wanted["limit"])
    if state:
        answer.checks, answer.about, answer.policy = checks(state), about(state), state.policy
        answer.checks += control_plane.checks(state.node)
        if state.overlay.config:
            after = conntrack.remembered(echoes=True)
            translated = conntrack.translated(before, after, state.overlay.config.networks)
            answer.checks.append(nat_between_pods(state.node, translated))


def _probe(entry: dict, node: str, namespaces: dict[str, str]) -> Probe:
    """A Probe from the module's argument. Raises ValueError, among others for a pod that is not on this node."""
    pod = entry.pop("pod")
    if pod and pod not in namespaces:
        known = ", ".join(sorted(namespaces)) or "none"
        raise ValueError(f"pod {pod!r} has no network namespace on this node; those that have one: {known}")
    if pod:
        entry["netns"] = namespaces[pod]
    entry["source"] = entry["source"] or pod or entry["netns"] or node
    entry["target"] = entry["target"] or ""
    entry["node"] = node
    try:
        return Probe(**entry)
    except ValueError as error:
        raise ValueError(f"probe from {entry['source']} to {entry['address']}: {error}") from None


if __name__ == "__main__":
    main()
