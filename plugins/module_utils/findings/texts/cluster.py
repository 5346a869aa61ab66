# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes and pods as the API has them."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

SITE = "ansible-playbook -i INVENTORY podnet.cluster.site"
UPGRADE = "ansible-playbook -i INVENTORY podnet.cluster.upgrade"

ENTRIES = {
    Code.NODE_NOT_READY: Entry(
        "node {subject} is not Ready: {reason}",
        "Its kubelet or container runtime does not run, or reports NetworkReady=false. The commands are for that node.",
        "systemctl status {units}; journalctl -u kubelet",
    ),
    Code.KUBELET_SKEWED: Entry(
        "kubelet {actual} of {subject} does not fit API servers of {expected}, so the API may refuse what it asks",
        "A kubelet may be three minor releases older than the newest API server, and not newer than the oldest one. An "
        "upgrade has stopped on its way, or a package was not held.",
        UPGRADE,
    ),
    Code.API_SERVER_SKEWED: Entry(
        "API server {actual} of {subject} is more than a minor release older than that of {other}, {expected}, so they "
        "answer differently",
        "An upgrade has stopped between two control planes, or skipped a minor release.",
        UPGRADE,
    ),
    Code.POD_NOT_READY: Entry(
        "pod {subject} is not Ready on {host}",
        "It is not scheduled, its image is missing, or its containers do not start.",
        "kubectl --namespace {namespace} describe pod {name}",
    ),
    Code.IMAGE_UNAVAILABLE: Entry(
        "node neither has image {subject} nor can pull it, so pods of it would not start",
        "The registry or its mirror cannot be reached, does not have the image, or wants credentials. Of Kubernetes' "
        "archives only those that this collection built have podnet.local/toolbox:1. The command is for that node.",
        "crictl pull {subject} (or set verify_image to an image with busybox that the nodes can have)",
    ),
    Code.POD_CIDR_MISSING: Entry(
        "node {subject} has no podCIDR in the API, so its pods get no addresses",
        "The controller manager runs without --allocate-node-cidrs, or its range is exhausted.",
        "kubectl get node {subject} -o jsonpath={{.spec.podCIDRs}}",
    ),
    Code.POD_CIDR_OVERLAPS: Entry(
        "podCIDR {cidrs} of {subject} overlaps {others} of {other}",
        "Two allocators gave out one range, or a podCIDR was set by hand.",
        "ansible-playbook -i INVENTORY podnet.cluster.remove_node -e node={subject}; "
        "ansible-playbook -i INVENTORY podnet.cluster.add_node -e new_nodes={subject}",
    ),
    Code.POD_CIDR_MISMATCH: Entry(
        "the overlay of {subject} has pod CIDR {actual}, the API {expected}",
        "The node was registered again with another podCIDR since it was provisioned.",
        SITE,
    ),
    Code.POD_ADDRESS_OUTSIDE: Entry(
        "{address} of pod {subject} is outside the podCIDR of {host}, {cidrs}",
        "The pod was made with another CNI configuration, or before the node's podCIDR changed.",
        "kubectl --namespace {namespace} delete pod {name}",
    ),
    Code.POD_ADDRESS_SHARED: Entry(
        "{address} of pod {subject} is also that of {others}",
        "Two nodes give out one range, or reservations were lost.",
        "kubectl --namespace {namespace} delete pod {name}",
    ),
    Code.POD_ADDRESS_MISMATCH: Entry(
        "pod {subject} has {expected} in the API and {actual} on {host}",
        "The runtime recreated the pod's sandbox, and the kubelet has not reported it.",
        "kubectl --namespace {namespace} delete pod {name}",
    ),
    Code.POD_ATTACHMENT_MISSING: Entry(
        "{host} has no network namespace of pod {subject}",
        "The pod's sandbox is gone, or was made by another CNI configuration.",
        "kubectl --namespace {namespace} delete pod {name}",
    ),
    Code.NODE_ADDRESS_MISMATCH: Entry(
        "the overlay of {subject} has address {actual}, the API {expected}",
        "The node's address changed, or the kubelet reports another interface's.",
        SITE,
    ),
    Code.NODE_ADDRESS_DUPLICATE: Entry(
        "{address} of node {subject} is also on {others}: packets for one of them go to the other",
        "An address was set by hand, or machines were cloned with their MAC address.",
        "ip -brief address (on {subject} and {others}); ip address del {address} dev DEVICE (on all but one)",
    ),
    Code.NODE_NOT_PROBED: Entry(
        "{actual} of {expected} probes were made on {subject}",
        "Ansible did not reach the node, or it is not in the inventory.",
        "ansible -i INVENTORY -m ping {subject}",
    ),
    Code.LIBRARY_MISMATCH: Entry(
        "{subject} has library {actual}, expected {expected}",
        "The node was not provisioned in the last run.",
        SITE,
    ),
    Code.CLOCK_SKEWED: Entry(
        "clock of {subject} differs by {seconds} s from the cluster median",
        "Certificates, leases and traces need clocks that agree. No time service runs, or it reaches no server.",
        "systemctl enable --now systemd-timesyncd (or systemctl enable --now chrony)",
    ),
    Code.PEERS_INCOMPLETE: Entry(
        "{subject} knows {actual} peers, expected {expected}",
        "Leases are missing or stale: a static list that is out of date, or no connection to the API server.",
        SITE,
    ),
    Code.NOTHING_PROBED: Entry(
        "no probe was made in namespace {subject}, so nothing is proven",
        "The workload has no pods with an address, or no node answered.",
        "kubectl --namespace {subject} get pods --output wide",
    ),
    Code.VXLAN_UNSEEN: Entry(
        "VXLAN packets on the underlay of {subject}: {sent} sent to {peer}, {received} received from it",
        "Pods of the two nodes exchanged probes, yet no tunnel packets were captured in one direction or both.",
        "ansible-playbook -i INVENTORY podnet.cluster.trace -e from={subject} -e to={peer}",
    ),
}
