# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables and inventory."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

#: From the directory of the archive.
_COPY = "sha256sum --check --quiet {sums}; copy what it names again"

ENTRIES = {
    Code.VARIABLE_INVALID: Entry(
        "{subject} is {value}, which is invalid",
        "The value is of another type, or outside of what the roles, kubeadm or the kernel accept.",
        "set {subject} to {wanted}",
    ),
    Code.VARIABLE_UNQUOTED: Entry(
        "{subject} is the number {value}, so YAML has dropped trailing zeros (1.30 becomes 1.3)",
        "YAML reads a release without quotes as a number.",
        "put the value of {subject} in quotes, with all its digits",
    ),
    Code.VARIABLE_MISSPELT: Entry(
        "{subject} is not a variable of podnet.cluster, so it has no effect",
        "Ansible accepts any name. One that differs by a few letters from a role's is most likely meant to be it.",
        "rename {subject} to {nearest}; if it is yours, list it in cluster_own_variables",
    ),
    Code.VARIABLE_DUPLICATE: Entry(
        "{subject} is {value} on both {first} and {second}, so the cluster takes them for one node",
        "Kubernetes knows a node by its name, and the overlay by its address.",
        "give each node a {subject} of its own",
    ),
    Code.GROUP_EMPTY: Entry(
        "inventory has no hosts in {subject} (groups with hosts: {groups}), so nothing would be done",
        "The playbooks select nodes by cluster, control_plane and workers; other collections use other names.",
        "put the nodes into the groups control_plane and workers, and both under cluster, as inventories/cloud does",
    ),
    Code.CONTROL_PLANES_EVEN: Entry(
        "inventory group {subject} has {count} hosts, so etcd survives the loss of {survives}, as with {fewer} hosts",
        "etcd needs a majority of its members: 3 survive the loss of one, 5 of two.",
        "put another host into the group {subject}, then run site.yml; or remove one by remove_node.yml",
    ),
    Code.ENDPOINT_OF_ONE_NODE: Entry(
        "{subject} {endpoint} is that of {host} alone, so without it no client would reach the {count} control planes",
        "Kubelets, agents and administrators reach the API by the endpoint, which certificates and kubeconfigs have.",
        "leave {subject} out, for a load balancer on each node, or set it to a name that leads to all of them",
    ),
    Code.ENDPOINT_PORT_TAKEN: Entry(
        "{subject} has port {port}, on which the API server listens, so a node's load balancer cannot",
        "An API server has its port on all addresses of its node, 127.0.0.1 included.",
        "set {subject} to another port, or control_plane_api_port",
    ),
    Code.HOST_UNKNOWN: Entry(
        "{variable} names {subject}, which is not a host of the inventory group {group}",
        "The name is misspelt, or the inventory that was given is another cluster's.",
        "set {variable} to one or more of {hosts}",
    ),
    Code.HOST_WITHOUT_ROLE: Entry(
        "host {subject} is in the group cluster but in neither control_plane nor workers, so it would never join",
        "The node would be prepared; only hosts of these two groups run kubeadm.",
        "put {subject} into control_plane or workers",
    ),
    Code.HOST_OUTSIDE_CLUSTER: Entry(
        "host {subject} is in the group {group} but not in cluster, so it would join without being prepared",
        "Nodes are prepared as hosts of cluster and joined as hosts of control_plane and workers.",
        "list the group {group} under children of the group cluster",
    ),
    Code.HOST_UNREACHABLE: Entry(
        "host {subject} is unreachable or failed before, so the run continues without it",
        "The connection failed, or an earlier task did.",
        "ansible -i INVENTORY -m ping {subject}",
    ),
    Code.RUN_ACTIVE: Entry(
        "{playbook} runs on this cluster since {since} (process {pid} of {user} on {subject}), so this run ends",
        "Two runs at a time undo each other's changes. The record is on the control plane; a reboot removes it.",
        "wait for it; if it has ended, rm {path} on {node}",
    ),
    Code.NETWORK_OVERLAPS: Entry(
        "{subject} {network} overlaps {other} {other_network}, so an address has two meanings",
        "Pods and Services take their addresses from these networks.",
        "set {subject} and {other} to networks that have no address in common",
    ),
    Code.NETWORK_CONTAINS_NODE: Entry(
        "{subject} {network} contains {address} (node_address of {host}; {count} in all), so packets to nodes are lost",
        "The pod network is routed to nodes by pod CIDR, and the service network is answered on each node.",
        "set {subject} to a network that contains no node",
    ),
    Code.NETWORK_NOT_ROUTABLE: Entry(
        "{subject} {network} is {kind}, so the nodes cannot route it",
        "The kernel keeps such addresses on one host or link, or does not give them to one host.",
        "set {subject} to a unicast network such as {example}",
    ),
    Code.NETWORK_TOO_SMALL: Entry(
        "{subject} {network} has {have} networks of length /{prefix} ({variable}) for {need} nodes",
        "Every node has a pod CIDR of its own.",
        "set {subject} to a network of /{wide} or wider, or {variable} to a longer prefix",
    ),
    Code.NETWORK_TOO_LARGE: Entry(
        "{subject} {network} is larger than kube-apiserver accepts",
        "kube-apiserver keeps a bitmap of the service addresses, of 2^20 at most.",
        "set {subject} to a network with a prefix length of at least {least}",
    ),
    Code.NETWORK_VERSIONS_DIFFER: Entry(
        "{subject} {network} is {versions}, but {other} {other_network} is {other_versions}",
        "kubeadm and kube-controller-manager want pods and Services of the same IP versions.",
        "give {subject} and {other} networks of the same IP versions",
    ),
    Code.RELEASE_UNAVAILABLE: Entry(
        "{subject} is {release}, which kubernetes_source {source} does not offer",
        "A repository has packages from its first release on, an archive holds one patch release, a build has one too.",
        "set {subject} to {wanted}, or choose another kubernetes_source",
    ),
    Code.ARCHIVE_INVALID: Entry(
        "Kubernetes archive {subject} is unusable: {error}",
        "An archive has SHA256SUMS, manifest.json, bin/ and images/; SHA256SUMS names each of its files.",
        "rsync --archive --checksum SOURCE/ {subject}/ (or set kubernetes_archive to the directory that holds {sums})",
    ),
    Code.ARCHIVE_FILE_UNREADABLE: Entry(
        "{subject} cannot be read ({error}), though {sums} names it",
        "The archive was copied in part, or belongs to another user.",
        _COPY,
    ),
    Code.ARCHIVE_FILE_CORRUPT: Entry(
        "{subject} has the SHA-256 {actual}, but {sums} gives {expected}",
        "The file was changed or copied in part after SHA256SUMS was written.",
        _COPY,
    ),
    Code.ARCHIVE_RELEASE_DIFFERS: Entry(
        "{subject} is {release}, but the archive {directory} holds {found}",
        "An archive is of one patch release.",
        "set {subject} to {found}, or kubernetes_archive to an archive of {release}",
    ),
}
