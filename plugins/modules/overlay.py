#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay
short_description: Configure a node's overlay network
version_added: "0.1.0"
description:
  - "Reconciles a node's overlay: the tunnel's device and its address, what leads to each peer (neighbour and FDB entry,
    WireGuard peer, route), forwarding, masquerade, and C(subnet.env) for the CNI plugin."
  - Stale peers' state is removed. What is not the overlay's own is never touched.
  - A lease that contradicts itself or the others is refused with a reason; the other peers are served all the same.
  - Given O(config) and O(leases) it also writes them to O(directory), from which C(podnetctl apply) restores the
    same at boot.
  - Speaks netlink to the kernel; the node needs nothing but Python.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  state:
    description:
      - V(present) configures the overlay.
      - V(absent) removes everything that the overlay created on the node, its files in O(directory) included, and
        nothing else. Forwarding stays enabled, since others may rely on it.
    type: str
    choices: [present, absent]
    default: present
  config:
    description:
      - The overlay's configuration. The default is C(overlay.json) in O(directory).
    type: dict
    suboptions:
      node_name:
        description: The name of this node among the leases.
        type: str
        required: true
      networks:
        description: The pods' address blocks, one for each IP version at most.
        type: list
        elements: str
        required: true
      backend:
        description: How packets get to a peer.
        type: dict
        default: {}
        suboptions:
          type:
            description:
              - V(vxlan) carries them in UDP between the nodes.
              - V(host-gw) routes them through the peers' addresses; all nodes must be on one network.
              - V(wireguard) carries them encrypted in UDP. The kernel must have WireGuard, and each lease the node's
                C(public_key) (M(podnet.cluster.wireguard_key)).
            type: str
            choices: [vxlan, host-gw, wireguard]
            default: vxlan
          vni:
            description: The VXLAN network identifier. The device is named V(flannel.) and this number.
            type: int
            default: 1
          port:
            description:
              - The UDP port. The default is 8472 for VXLAN and 51820 for WireGuard, whose second device, for IPv6,
                listens on the next port.
            type: int
          direct_routing:
            description: Route without a tunnel to those peers that are on a network of this node.
            type: bool
            default: false
          mtu:
            description:
              - The pods' MTU in bytes. The default is the underlay's less the tunnel's overhead, 50 bytes over IPv4
                and 70 over IPv6; for WireGuard 60 and 80.
            type: int
          mode:
            description:
              - "WireGuard: over which IP version. V(separate) carries IPv4 pods over IPv4 and IPv6 pods over IPv6, by
                a device each; with V(auto), V(ipv4) and V(ipv6) one device carries both, over IPv4 where both nodes
                have it, or over that version alone."
            type: str
            choices: [separate, auto, ipv4, ipv6]
            default: separate
          persistent_keepalive:
            description: "WireGuard: seconds between packets that keep a firewall's state alive; V(0) for none."
            type: int
            default: 0
          private_key_file:
            description: "WireGuard: the file with the node's private key, which is made where there is none."
            type: path
            default: /var/lib/podnet/wireguard.key
          checksum_offload:
            description:
              - Whether a network card may compute the checksums of what goes through the VXLAN device. Some cards and
                hypervisors spoil them; V(false) has the kernel do it, V(auto) does so where the underlay's driver is
                known for it (vmxnet3).
            type: str
            choices: [auto, "true", "false"]
            default: auto
      masquerade:
        description: Whether what pods send out of the cluster leaves with the node's address.
        type: bool
        default: true
      not_masqueraded:
        description: Further destinations that see pods by their own addresses. The cluster's nodes do anyway.
        type: list
        elements: str
        default: []
      masquerade_nodes:
        description:
          - Whether what pods send to other nodes' own addresses leaves with this node's address, for an underlay that
            drops packets from pods' addresses.
        type: bool
        default: false
      bridge:
        description:
          - The name of the pods' bridge, which is made where it is missing, and kept up with its addresses. Without it
            the bridge is the CNI plugin's alone.
        type: str
      service_networks:
        description: The Services' address blocks. A peer whose own address is said to be inside one of them is refused.
        type: list
        elements: str
        default: []
      underlay_networks:
        description:
          - The address blocks of the nodes' own addresses. A peer whose address is said to be elsewhere is refused.
          - Without any, every address outside the pod and service networks is believed, such as a gateway's.
        type: list
        elements: str
        default: []
      vtep_mac:
        description:
          - The MAC address of this node's VXLAN device, as of one that flanneld made. Without it the lease's.
          - Peers learn it where their agents follow the Kubernetes API.
        type: str
  leases:
    description:
      - "The nodes of the cluster, this one among them. Each has C(name), C(address) (the underlay address that
        tunnels end at), C(pod_cidrs), and may have C(vtep_mac) (otherwise it follows from the name),
        C(addresses) (the underlay addresses of both IP versions) and C(public_key) (for WireGuard)."
      - The default is C(leases.json) in O(directory).
    type: list
    elements: raw
  peers:
    description:
      - What programs the peers.
      - V(leases) has this module program the nodes in O(leases), and remove what leads to others.
      - V(agent) leaves that, and C(subnet.env), to C(podnetd), which learns of the nodes itself and may know some that
        O(leases) does not. Only the node's own side is made.
    type: str
    choices: [leases, agent]
    default: leases
    version_added: "0.1.0"
  directory:
    description: Where C(overlay.json) and C(leases.json) are.
    type: path
    default: /etc/podnet
  subnet_env:
    description: The file for the CNI plugin.
    type: path
    default: /run/flannel/subnet.env
seealso:
  - module: podnet.cluster.pod_cidrs_info
"""

EXAMPLES = r"""
- name: Connect this node to the pod network
  podnet.cluster.overlay:
    config:
      node_name: node1
      networks: [10.244.0.0/16]
      backend:
        type: vxlan
    leases:
      - name: node1
        address: 192.0.2.11
        pod_cidrs: [10.244.0.0/24]
      - name: node2
        address: 192.0.2.12
        pod_cidrs: [10.244.1.0/24]

- name: Repair what was changed by hand
  podnet.cluster.overlay:

- name: Remove the overlay
  podnet.cluster.overlay:
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["add neighbour flannel.1 10.244.1.0"]
device:
  description: The tunnel's device, the first of two, null where the back end has none.
  returned: O(state=present)
  type: str
  sample: flannel.1
mtu:
  description: The pods' MTU in bytes.
  returned: O(state=present)
  type: int
  sample: 1450
lease:
  description: This node's own lease.
  returned: O(state=present)
  type: dict
  sample:
    name: node1
    address: 192.0.2.11
    addresses: [192.0.2.11]
    pod_cidrs: [10.244.0.0/24]
    vtep_mac: "5e:0b:1c:2d:3e:4f"
peers:
  description: The leases of the peers that are served; none where O(peers=agent).
  returned: O(state=present)
  type: list
  elements: dict
refused:
  description: Peers that are not served, by name, each with a finding (C(code), C(parameters), C(text), C(fix)).
  returned: O(state=present)
  type: dict
  sample:
    node3:
      code: lease.pod-cidr-overlaps
      node: node1
      subject: node3
      parameters:
        value: 10.244.1.0/24
        taken: 10.244.1.0/24
        other: node2
      text: "lease of node3 refused: pod CIDR 10.244.1.0/24 overlaps 10.244.1.0/24 of node2; node1 has no path to …"
      fix: kubectl get node node3 node2 --output yaml; …
forward_policy_drop:
  description: Foreign nftables chains that drop what the node forwards by their policy and so may cut pods off.
  returned: O(state=present)
  type: list
  elements: str
  sample: ["ip filter FORWARD"]
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.agent.sources.source import FileSource
from ..module_utils.converge import files
from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Change, Plan
from ..module_utils.findings import render
from ..module_utils.netlink.channel import Channel
from ..module_utils.netlink.wire import NetlinkError
from ..module_utils.overlay import reconcile
from ..module_utils.overlay.config import ConfigError
from ..module_utils.overlay.forward import dropping_chains
from ..module_utils.overlay.lock import locked
from ..module_utils.overlay.wireguard_key import PATH, removal
from ..module_utils.provision import overlay_state


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            **overlay_state.OPTIONS,
        },
        required_together=[("config", "leases")],
        supports_check_mode=True,
    )
    wanted = module.params
    try:
        # the agent, where one runs, waits until this is done
        with Channel() as channel, locked(make=wanted["state"] == "present" and not module.check_mode):
            if wanted["state"] == "present":
                _present(module, channel)
            _absent(module, channel)
    except (ConfigError, NetlinkError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")


def _present(module: AnsibleModule, channel: Channel) -> None:
    options = module.params
    paths = overlay_state.files_in(options["directory"])
    if options["config"] is not None:
        wanted = overlay_state.wanted(options)
    elif module.check_mode and not all(map(os.path.exists, paths)):
        text = f"configure the overlay by {' and '.join(paths)}, which do not exist yet"
        run(module, Plan([Change("overlay", "overlay", text, "", "", lambda: None)]))
    else:
        wanted = overlay_state.Wanted(*FileSource(options["directory"]).read(), {})
    overlay, refused = overlay_state.present(channel, wanted, options)
    for each in refused.values():
        module.warn(render.warning(each))
    desired, own = overlay.desired, wanted.leases.own
    served = [] if options["peers"] == "agent" else wanted.leases.peers
    run(
        module,
        overlay.plan,
        device=desired.device,
        mtu=desired.mtu,
        lease=own.as_json(),
        peers=[peer.as_json() for peer in served if peer.name not in refused],
        refused={name: render.as_json(each) for name, each in refused.items()},
        forward_policy_drop=dropping_chains(wanted.config, desired.device),
    )


def _absent(module: AnsibleModule, channel: Channel) -> None:
    directory = module.params["directory"]
    try:
        key = FileSource(directory).config().backend.private_key_file
    except ConfigError:
        key = PATH
    steps = [*files.plan(dict.fromkeys(overlay_state.files_in(directory))), *removal(key)]
    run(module, reconcile.absent(channel, module.params["subnet_env"], steps).plan)


if __name__ == "__main__":
    main()
