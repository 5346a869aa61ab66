# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes before provisioning."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

_RESET = "ansible-playbook -i INVENTORY podnet.cluster.reset -e reset_nodes={subject}"

ENTRIES = {
    Code.ADDRESS_MISSING: Entry(
        "no interface has node_address {subject}; the node has {found}",
        "The address belongs to another node, or is one that only a NAT in front of the node knows.",
        "set node_address to an address of the node, or remove it",
    ),
    Code.ADDRESS_ELSEWHERE: Entry(
        "node_address {subject} is on {found}, not on node_interface {interface}",
        "The inventory gives both, and they disagree.",
        "set node_interface to {found}, or remove it",
    ),
    Code.ADDRESS_NOT_ROUTABLE: Entry(
        "node_address {subject} is {kind}, so other nodes cannot reach it",
        "The kernel keeps such addresses on one host or link, or does not give them to one host.",
        "set node_address to an address that the other nodes reach",
    ),
    Code.LINK_MISSING: Entry(
        "interface {subject} (node_interface) does not exist; the node has {found}",
        "Interfaces are named differently on this node.",
        "set node_interface to an interface of the node, or set node_address",
    ),
    Code.LINK_DOWN: Entry(
        "interface {subject} is down, so the node is not reachable by it",
        "Nothing has brought the interface up, or its cable is out.",
        "ip link set {subject} up",
    ),
    Code.LINK_WITHOUT_ADDRESS: Entry(
        "interface {subject} has no address; the node has {found}",
        "Nothing has configured the interface, or a DHCP server did not answer.",
        "ip address add ADDRESS/LENGTH dev {subject} (or set node_interface to another interface)",
    ),
    Code.LINK_WITHOUT_IP_VERSION: Entry(
        "interface {subject} has no IPv{version} address, which the pod network needs; the node has {found}",
        "A node needs an underlay address of each IP version of overlay_network.",
        "ip -{version} address add ADDRESS/LENGTH dev {subject} (or set node_interface to another interface)",
    ),
    Code.ROUTE_DEFAULT_MISSING: Entry(
        "{subject} route is missing, so the node's address in the cluster is unknown; the node has {found}",
        "Without node_address and node_interface the interface of the default route is used.",
        "set node_address or node_interface",
    ),
    Code.NETWORK_ON_LINK: Entry(
        "{subject} {network} overlaps {address} on interface {interface}, so one of them becomes unreachable",
        "The node is in the network that pods or Services are to have.",
        "set {subject} to a network that no node is in",
    ),
    Code.DISTRIBUTION_UNSUPPORTED: Entry(
        "node runs {subject}, for which the roles have no packages",
        "Packages are known for Debian, Ubuntu and the RHEL family.",
        "install Debian, Ubuntu or one of the RHEL family",
    ),
    Code.ARCHITECTURE_DIFFERS: Entry(
        "node is {subject}, but the executables of the Kubernetes archive are for {archive}",
        "An archive holds executables for one architecture.",
        "set kubernetes_archive of this node to an archive for {subject}",
    ),
    Code.KERNEL_TOO_OLD: Entry(
        "kernel {subject} is older than {least}, so neither Kubernetes nor the pod network's nftables rules support it",
        "Older kernels lack NAT in nftables' family inet, and kubeadm's SystemVerification does not know them.",
        "apt-get upgrade (or dnf upgrade); reboot (or list SystemVerification in kubernetes_ignored_preflight_errors)",
    ),
    Code.KERNEL_WITHOUT_BACKEND: Entry(
        "kernel {subject} has no {family}, built in or as a module, so overlay_backend type {backend} cannot work",
        "The module is in a package that is not installed, or the kernel was built without it.",
        "apt-get upgrade (or dnf upgrade), for a kernel with {family}; reboot (or set overlay_backend to another type)",
    ),
    Code.KERNEL_MODULE_MISSING: Entry(
        "kernel {kernel} has no module {subject}, which Kubernetes or the pod network needs",
        "The distribution's kernel is one for clouds or small systems, or the kernel was built without the module.",
        "apt-get install linux-image-amd64 (or the distribution's full kernel); reboot",
    ),
    Code.KERNEL_MODULES_REMOVED: Entry(
        "modules of the running kernel {subject} are not installed, so {modules} cannot be loaded",
        "The kernel was upgraded, and the files of the one that still runs were removed.",
        "reboot",
    ),
    Code.KERNEL_WITHOUT_IPTABLES: Entry(
        "kernel {subject} has no {modules}, so kube-proxy's iptables mode cannot work",
        "Newer distributions leave out what iptables matches by; nftables does not need it.",
        "set control_plane_kube_proxy_mode to nftables (or install kernel-modules-extra for this kernel)",
    ),
    Code.KERNEL_WITHOUT_NFTABLES_MODE: Entry(
        "kernel {subject} is older than {least}, so kube-proxy does not start in mode nftables",
        "It goes by the kernel, since it cannot see whether the node's nft is one that its rules would break.",
        "set control_plane_kube_proxy_mode to iptables (or apt-get upgrade, or dnf upgrade; reboot)",
    ),
    Code.CGROUP_VERSION: Entry(
        "node has cgroup v{subject}, which the kubelet refuses from 1.35 on (kubernetes_release {release})",
        "The kubelet's failCgroupV1 is true by default since 1.35.",
        "add systemd.unified_cgroup_hierarchy=1 to the kernel's command line (on Debian in /etc/default/grub); "
        "update-grub; reboot (or set failCgroupV1: false in control_plane_kubelet)",
    ),
    Code.CGROUP_WITHOUT_MEMORY: Entry(
        "cgroup controller {subject} is off, so the kubelet does not start",
        "Some boards' kernels leave it off unless the command line turns it on.",
        "add cgroup_enable=memory to the kernel's command line (on Debian in /etc/default/grub); update-grub; reboot",
    ),
    Code.MEMORY_TOO_SMALL: Entry(
        "node has {subject} MiB of memory; kubeadm wants {least} MiB for a control plane",
        "kube-apiserver and etcd need it; with less the kernel kills them.",
        "give the node more memory, or list Mem in kubernetes_ignored_preflight_errors",
    ),
    Code.CPUS_TOO_FEW: Entry(
        "node has {subject} CPU; kubeadm wants {least} for a control plane",
        "etcd and kube-apiserver miss their deadlines when they wait for each other.",
        "give the node another CPU, or list NumCPU in kubernetes_ignored_preflight_errors",
    ),
    Code.RUNTIME_TOO_OLD: Entry(
        "containerd {subject} has no CRI v1, the only version that Kubernetes {release} speaks",
        "containerd has CRI v1 since 1.6.",
        "apt-get install --only-upgrade containerd (or dnf upgrade containerd.io), to {least} or newer",
    ),
    Code.RUNTIME_DOCKER_TOO_OLD: Entry(
        "Docker Engine {subject} is too old for cri-dockerd, without which no pod starts",
        "cri-dockerd 0.4 speaks version 1.42 of Docker's API, which Docker Engine has since {least}; Debian 12 has 20.",
        "apt-get install --only-upgrade docker-ce (or dnf upgrade docker-ce), to {least} or newer",
    ),
    Code.RUNTIME_UNTESTED: Entry(
        "containerd {subject} is not among those tested with Kubernetes {release} ({tested} or newer of the branch)",
        "The containerd project lists for each release of Kubernetes the versions that it supports.",
        "apt-get install --only-upgrade containerd (or dnf upgrade containerd.io), to one of these",
    ),
    Code.PORT_IN_USE: Entry(
        "TCP port {subject} is in use, so {component} cannot listen on it",
        "Another program listens there, or parts of a former cluster still run. Stop it.",
        "ss -ltnp 'sport = :{subject}' (or ansible-playbook -i INVENTORY podnet.cluster.reset -e reset_nodes={node})",
    ),
    Code.NODE_ROLE_DIFFERS: Entry(
        "{subject} is already a {found}, but the inventory makes it a {wanted}",
        "kubeadm has made the node what it is; it does not change it. Reset the node, or move it to the other group.",
        _RESET,
    ),
    Code.NODE_RELEASE_DIFFERS: Entry(
        "{subject} runs Kubernetes {found}, but kubernetes_release is {wanted}",
        "playbooks/site.yml installs; it does not change a cluster's release. Upgrade, or set the release that runs.",
        "ansible-playbook -i INVENTORY podnet.cluster.upgrade -e kubernetes_release={wanted}",
    ),
    Code.NODE_NOT_JOINED: Entry(
        "{subject} is in no cluster, so there is nothing to upgrade",
        "The kubelet is not installed, or has no credentials.",
        "ansible-playbook -i INVENTORY podnet.cluster.site",
    ),
    Code.NODE_UNMARKED: Entry(
        "{subject} is in a cluster, but has no marker ({marker}) of this collection, so it is left as it is",
        "Another tool, or a release of this collection without markers, made the node. site.yml writes the marker.",
        "ansible-playbook -i INVENTORY podnet.cluster.site -e node_adopt=true (or leave the cluster: kubeadm reset)",
    ),
    Code.NODE_OF_FLANNEL: Entry(
        "{subject} is in a cluster that this collection did not make, with flannel ({network}), so it is left as it is",
        "The pod network alone can be taken over, node by node: podnetd replaces flanneld, and links in {bin_dir} "
        "replace the CNI plugins. kubelet, container runtime and kubeadm's settings stay.",
        "ansible-playbook -i INVENTORY podnet.cluster.migrate_from_flannel --check --diff (then without --check)",
    ),
    Code.FLANNEL_MISSING: Entry(
        "{subject} that runs flanneld does not exist, so there is no pod network to take over or give back",
        "flannel is looked for as a DaemonSet with a container that runs flanneld and a ConfigMap with net-conf.json.",
        "kubectl get daemonsets,configmaps --all-namespaces",
    ),
    Code.FLANNEL_BACKEND_UNSUPPORTED: Entry(
        "flannel's back end is {subject}, so podnetd cannot take over from it; it can from {supported}",
        "The packets of the other back ends, or their keys, are not the ones that podnetd has.",
        "kubectl get configmaps --all-namespaces --output=yaml (net-conf.json: change Backend.Type, restart flannel)",
    ),
    Code.FLANNEL_DIFFERS: Entry(
        "{subject} is {given}, but the running cluster has {actual}, so nodes of podnetd and of flanneld would not "
        "reach each other",
        "The variable must be what flannel's net-conf.json and kubeadm's ClusterConfiguration say.",
        "set {subject} to {actual} in the inventory",
    ),
    Code.NODE_OF_OTHER_CLUSTER: Entry(
        "{subject} belongs to cluster {cluster}, but the control plane to {wanted}, so it would not join",
        "The inventory mixes two clusters' nodes, or the control plane was created again. The kubelet keeps its first "
        "cluster's credentials.",
        _RESET,
    ),
    Code.CLUSTER_UNCONFIRMED: Entry(
        "{subject} is the control plane of cluster {cluster}, so its reset deletes the cluster and etcd's data; "
        "reset_confirm is {confirmed}",
        "A cluster's data cannot be had back. The confirmation names the cluster, so that it cannot be another one.",
        "ansible-playbook -i INVENTORY podnet.cluster.reset -e reset_confirm={cluster}",
    ),
    Code.DRAIN_BLOCKED: Entry(
        "{subject} allows no disruption now, so {pod} cannot be evicted and the node is not removed",
        "A PodDisruptionBudget keeps a number of pods available; so many are not ready on the other nodes.",
        "kubectl get poddisruptionbudgets,pods --all-namespaces (add replicas or nodes, then run the playbook again)",
    ),
    Code.DRAIN_FAILED: Entry(
        "{subject} was not drained within {timeout} s, so it is not removed",
        "A pod takes longer to terminate, or its eviction was refused.",
        "kubectl drain {subject} --ignore-daemonsets --delete-emptydir-data --force",
    ),
    Code.UPGRADE_SKIPS_RELEASES: Entry(
        "{subject} runs Kubernetes {found}, which cannot be upgraded to {wanted} in one step",
        "kubeadm goes forward by one minor release at a time, and never back.",
        "set kubernetes_release to 1.{minor} ({found} or later) or 1.{next}",
    ),
    Code.PEER_SILENT: Entry(
        "{subject} does not answer ping from this node, so pods on the two would not reach each other",
        "A firewall drops packets between them, an address is wrong, or there is no route.",
        "ping {subject}; ip route get {subject}; nft list ruleset (or set node_check_peers to false: ICMP is filtered)",
    ),
    Code.CLOCK_DIFFERS: Entry(
        "clock of {subject} differs by {seconds} s from the other nodes', so certificates and tokens are not accepted",
        "No time service runs, or it reaches no server.",
        "systemctl enable --now systemd-timesyncd (or systemctl enable --now chrony)",
    ),
    Code.MTU_DIFFERS: Entry(
        "MTU of {interface} on {subject} is {mtu}, but {least} on {other}, so larger packets between them are lost",
        "The pods' MTU follows from each node's underlay, and a sender does not know the receiver's. Set it in the "
        "network's configuration, too.",
        "ip link set {interface} mtu {least}",
    ),
    Code.RULES_OF_CLOUD_SETUP: Entry(
        "{subject} adds policy routing rules for the node's addresses, so pods' packets may leave by another table",
        "Its tables have no route to the other nodes' pods. It adds them again whenever the cloud's metadata change.",
        "systemctl disable --now nm-cloud-setup.timer nm-cloud-setup.service && reboot",
    ),
    Code.FIREWALL_ACTIVE: Entry(
        "{subject} is active and may drop packets between nodes and pods",
        "It drops everything that none of its rules accepts.",
        "set node_firewalls to [{listed}] (or accept pods' networks, TCP 6443 and 10250, and the overlay's UDP port)",
    ),
}
