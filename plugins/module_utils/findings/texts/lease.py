# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases: what a node knows of its peers, and which of it is refused."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

_SITE = "ansible-playbook -i INVENTORY podnet.cluster.site"
_NODE = "kubectl get node {subject} --output yaml"
_BOTH = "kubectl get node {subject} {other} --output yaml"


def _refused(why: str, cause: str, fix: str) -> Entry:
    return Entry("lease of {subject} refused: " + why + "; {node} has no path to its pods", cause, fix)


ENTRIES = {
    Code.LEASE_MISSING: Entry(
        "{node} has no lease of {subject}, so nothing leads to its pods",
        "podnetd has not learned of the peer: a static list without it, or a lost connection to the API server.",
        "systemctl restart podnetd (or " + _SITE + ")",
    ),
    Code.LEASE_STALE: Entry(
        "{node} expects {attribute} {actual} of {subject}, which has {expected}",
        "The peer has changed since the node learned of it.",
        "systemctl restart podnetd (or " + _SITE + ")",
    ),
    Code.LEASE_INVALID: _refused(
        "{error}",
        "An annotation of the Node, or a static lease, is malformed.",
        _NODE + "; correct the annotation or the inventory; " + _SITE,
    ),
    Code.LEASE_TAKEN: _refused(
        "{key} {value} is that of {other}",
        "Two nodes claim one address or one key. The first one is served; packets for it must not go to another.",
        _BOTH + "; correct the one that is wrong; " + _SITE,
    ),
    Code.LEASE_POD_CIDR_OVERLAPS: _refused(
        "pod CIDR {value} overlaps {taken} of {other}",
        "Two nodes claim the same pod addresses. The first one is served.",
        _BOTH + "; remove the one that is wrong: ansible-playbook -i INVENTORY podnet.cluster.remove_node "
        "-e node={subject}",
    ),
    Code.LEASE_POD_CIDR_OUTSIDE: _refused(
        "pod CIDR {value} is not inside the pod network {networks}",
        "The controller manager allocates from another network than overlay_network, or the cluster has no pod network "
        "of this IP version.",
        "kubectl --namespace kube-system get pod --selector component=kube-controller-manager --output yaml; set "
        "overlay_network to its --cluster-cidr; " + _SITE,
    ),
    Code.LEASE_ADDRESS_IN_NETWORK: _refused(
        "address {value} is inside the {kind} network {network}",
        "A node's own address is never a pod's or a Service's: tunnels to it would take their packets.",
        _NODE + "; correct the node's address in the inventory; " + _SITE,
    ),
    Code.LEASE_ADDRESS_OUTSIDE: _refused(
        "address {value} is in none of the underlay networks {networks}",
        "overlay_underlay_networks says where nodes' addresses are; a node that claims another one is not believed.",
        _NODE + "; correct its address, or add its network to overlay_underlay_networks; " + _SITE,
    ),
    Code.LEASE_ADDRESS_MISSING: _refused(
        "Node {subject} has no InternalIP and no address annotation",
        "The kubelet has not reported an address yet, or its --node-ip is on no interface.",
        "kubectl get node {subject} --output wide; systemctl restart kubelet (on {subject})",
    ),
    Code.LEASE_OTHER_BACKEND: _refused(
        "its back end is {actual}, expected {expected}",
        "The nodes of a pod network share one back end. A change of it has not reached all nodes.",
        _SITE,
    ),
    Code.LEASE_OTHER_VNI: _refused(
        "its VNI is {actual}, expected {expected}",
        "Packets of another VNI are dropped. A change of it has not reached all nodes.",
        _SITE,
    ),
    Code.LEASE_OTHER_IP_VERSION: _refused(
        "it needs an address of {needed}, and has {found}",
        "The tunnel, or the route, to a peer ends at an address of an IP version that this peer does not have.",
        _NODE + "; give the node such an address in the inventory (node_address); " + _SITE,
    ),
    Code.LEASE_NO_COMMON_IP_VERSION: _refused(
        "its pod CIDRs are {found}, and {node} has pods of {needed} only",
        "One node has IPv4 pods, the other one IPv6 pods.",
        "kubectl get nodes --output custom-columns=NODE:.metadata.name,PODCIDRS:.spec.podCIDRs; " + _SITE,
    ),
    Code.LEASE_KEY_MISSING: _refused(
        "it has no WireGuard public key",
        "WireGuard identifies a peer by its key. The peer's podnetd writes it to its Node once it runs.",
        "systemctl restart podnetd (on {subject})",
    ),
    Code.LEASE_NOT_ON_LINK: _refused(
        "address {value} is on no network of {node} ({networks})",
        "host-gw needs every peer on a network that the node is itself on; vxlan does not.",
        "set overlay_backend.type to vxlan; " + _SITE,
    ),
}
