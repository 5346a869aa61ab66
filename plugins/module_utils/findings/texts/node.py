# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CNI, IPAM and services of a node."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

REINSTALL = "ansible-playbook -i INVENTORY podnet.cluster.site"

ENTRIES = {
    Code.NODE_DRIFTED: Entry(
        "{node} has drifted from its desired state (pending: {pending})",
        "A kernel object, sysctl or file of the pod network was changed or removed by another process.",
        "podnetctl apply",
    ),
    Code.ROUTE_FOREIGN: Entry(
        "route {subject} ({origin}) takes packets from the pod network",
        "A route inside the pod network that podnetd did not add wins against the pod network's own.",
        "{remove}",
    ),
    Code.AGENT_SILENT: Entry(
        "podnetd on {subject} does not answer, so drift will not be repaired",
        "The unit is installed; the process has ended, hangs, or has not started yet.",
        "systemctl start podnetd; journalctl -u podnetd",
    ),
    Code.AGENT_NOT_READY: Entry(
        "{subject} on {node} is not ready: {reason}",
        "The agent runs and cannot bring the node into its desired state.",
        "journalctl -u podnetd",
    ),
    Code.CNI_CONFLIST_MISSING: Entry(
        "{subject} has no CNI configuration of ours, so no pod gets a network",
        "The file was removed, or the node is not ready for pods yet: it is written last.",
        REINSTALL,
    ),
    Code.CNI_CONFLIST_SHADOWED: Entry(
        "{subject} sorts before {ours}, so the runtime uses it instead",
        "A runtime takes the first valid configuration in its directory, by name.",
        "mv {subject} {subject}.disabled",
    ),
    Code.CNI_CONFIGURATION_INVALID: Entry(
        "CNI configuration {subject} is invalid: {error}",
        "containerd loads no network while this is the first file by name; CRI-O and cri-dockerd skip it.",
        "python3 -m json.tool {subject}; mv {subject} {subject}.disabled",
    ),
    Code.CNI_PLUGIN_MISSING: Entry(
        "CNI plugin {subject} is missing, so no pod can start",
        "The configuration names a plugin that is not in the runtime's bin_dir.",
        REINSTALL,
    ),
    Code.CNI_PLUGIN_NOT_EXECUTABLE: Entry(
        "CNI plugin {subject} is not executable, so no pod can start",
        "The file has lost its mode.",
        REINSTALL,
    ),
    Code.CNI_PLUGIN_MODIFIED: Entry(
        "CNI plugin {subject} is not as it was installed",
        "The executable was overwritten, by another installer or by hand.",
        REINSTALL,
    ),
    Code.LIBRARY_MISSING: Entry(
        "the library is not installed on {subject}, so no pod can start",
        "The directory that current/ leads to is missing.",
        REINSTALL,
    ),
    Code.LIBRARY_MODIFIED: Entry(
        "the library's files on {subject} are not as they were installed (version {version})",
        "Their digest is another than the one in the version's name.",
        REINSTALL,
    ),
    Code.RUNTIME_OTHER_CONF_DIR: Entry(
        "{subject} reads CNI configurations from {actual}, ours is in {expected}",
        "The runtime's configuration, a drop-in or an import has another conf_dir.",
        "set {setting} in {file}; systemctl daemon-reload; systemctl restart {subject}",
    ),
    Code.RUNTIME_FOREIGN_PLUGIN: Entry(
        "{subject} executes {path}, which is not ours",
        "The runtime's bin_dir is another package's directory, or its plugins were put over ours.",
        "set {setting} in {file}; systemctl daemon-reload; systemctl restart {subject}",
    ),
    Code.RUNTIME_NETWORK_NOT_READY: Entry(
        "{subject} reports NetworkReady=false, so {node} is NotReady and no pod can start: {error}",
        "A CNI plugin's STATUS fails, or the configuration could not be loaded.",
        "journalctl -u {subject} -g cni -n 20; podnet-cni status {network}",
    ),
    Code.RUNTIME_OTHER_CONFIGURATION: Entry(
        "{subject} has loaded {loaded}, and not {path} as the file is now",
        "containerd notices a file that is written or renamed within the directory, but not one that is moved in from "
        "elsewhere.",
        "systemctl restart {subject}",
    ),
    Code.IPAM_LEAKED: Entry(
        "{subject} is reserved for {owner}, which has no pod on {node}",
        "The pod ended and its DEL never came, as after a crash of the runtime.",
        "rm {path}",
    ),
    Code.IPAM_UNRESERVED: Entry(
        "{address} of pod {subject} is not reserved, so another pod may be given it",
        "The reservation's file was removed while the pod runs.",
        "{recreate}",
    ),
    Code.IPAM_EXHAUSTED: Entry(
        "all {room} addresses of {subject} are reserved, so no further pod can start on {node}",
        "As many pods run as the node's pod CIDR has addresses, or reservations have leaked (GC frees these). "
        "Else run fewer pods per node, or set a shorter overlay_node_prefix.",
        "podnet-cni gc",
    ),
    Code.HOST_PORT_MISSING: Entry(
        "{protocol} port {port} of {node}, published by pod {subject}, leads nowhere",
        "The port's element in the table inet podnet is missing, as after a flush of the ruleset.",
        "{restore}",
    ),
    Code.HOST_PORT_WRONG: Entry(
        "{protocol} port {port} of {node}, published by pod {subject}, leads to {found}",
        "The port's element in the table inet podnet is another pod's.",
        "{restore}",
    ),
    Code.POD_LOOPBACK_DOWN: Entry(
        "lo of pod {subject} is down, so its containers do not reach each other by localhost",
        "The loopback plugin did not run, or the interface was set down.",
        "{enter}ip link set lo up",
    ),
    Code.POD_ADDRESS_DUPLICATE: Entry(
        "{subject} is on {owners}: one of them receives the other's packets",
        "An address was added in a pod by hand, or two CNI configurations give out one range.",
        "ls /var/lib/cni/networks/*/{subject}; kubectl delete pod (the one of {owners} that this file does not name)",
    ),
    Code.POD_MAC_DUPLICATE: Entry(
        "MAC address {subject} on {bridge} is that of {owners}: the bridge sends frames to one of them",
        "The MAC address was set in a pod by hand.",
        "kubectl delete pod (one of {owners})",
    ),
    Code.UNIT_NOT_RUNNING: Entry(
        "{subject} is enabled on {node} and not running",
        "The unit has failed or was stopped.",
        "systemctl start {subject}; journalctl -u {subject}",
    ),
    Code.KUBE_PROXY_SILENT: Entry(
        "kube-proxy on {subject} does not answer at 127.0.0.1:10256, so its Service rules are stale",
        "Its pod does not run; rules in the kernel stay as they were when it ended.",
        "kubectl --namespace kube-system get pods --selector k8s-app=kube-proxy --output wide",
    ),
}
