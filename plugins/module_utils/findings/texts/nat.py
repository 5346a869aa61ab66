# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Address translation."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

ENTRIES = {
    Code.NAT_DRIFTED: Entry(
        "masquerade rules in {subject} have drifted (pending: {pending})",
        "The table was flushed, deleted or changed; podnetd restores it while it runs.",
        "podnetctl apply",
    ),
    Code.NAT_POD_SOURCE_HIDDEN: Entry(
        "pod-to-pod traffic from {subject} is SNATed to {address}",
        "A masquerade rule outside the pod network's own table does not except the pod network: see its chains of "
        "type nat at postrouting.",
        "nft list ruleset",
    ),
    Code.NAT_SOURCE_NOT_OF_NODE: Entry(
        "traffic from {subject} is SNATed to {address}, which is not an address of {node}",
        "Answers to such packets do not come back to the node. A chain of type nat at postrouting must except the pod "
        "network.",
        "nft list ruleset",
    ),
    Code.NAT_DESTINATION_DIVERTED: Entry(
        "packets to {subject} are DNATed to {address}",
        "A DNAT rule outside the pod network's own table matches the packets: remove it from the "
        "chains of type nat at prerouting or output.",
        "nft list ruleset",
    ),
    Code.NAT_TUNNEL_DIVERTED: Entry(
        "tunnel packets to {subject} leave by {device} to {address}, UDP port {port}, expected {subject}, UDP "
        "port {expected}",
        "A NAT rule translates the node's own tunnel packets: a chain of type nat at output must except their UDP "
        "port.",
        "nft list ruleset",
    ),
    Code.SERVICE_NO_ENDPOINTS: Entry(
        "Service {subject} has no ready endpoints, so its address leads nowhere",
        "No pod matches the Service's selector, or none of them is Ready.",
        "kubectl --namespace {namespace} describe service {name}",
    ),
    Code.SERVICE_NO_DNAT: Entry(
        "no Service DNAT rules on {node}, so {subject} is not translated: is kube-proxy running?",
        "kube-proxy has not written its rules, or they were flushed.",
        "kubectl --namespace kube-system get pods -l k8s-app=kube-proxy -o wide",
    ),
    Code.SERVICE_NO_LOCAL_ENDPOINTS: Entry(
        "Service {subject} has no ready endpoints on {node}, and its traffic policy is Local",
        "A traffic policy of Local leads to endpoints on the same node alone; kube-proxy drops the rest.",
        "kubectl --namespace {namespace} patch service {name} --type merge --patch "
        '\'{{"spec": {{"externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster"}}}}\'',
    ),
    Code.SERVICE_NO_ROUTE: Entry(
        "{node} has no route to {address}, so it sends nothing to Service {subject}",
        "The node's own packets need a route to the Service's address before they are translated: usually the default "
        "route.",
        "ip route add default via GATEWAY",
    ),
    Code.SERVICE_DROPPED: Entry(
        "on {node}, {protocol} to Service {subject} ({address}:{port}) ends (verdict {verdict}) in chain {chain}, by "
        "{rule}",
        "A rule that is not kube-proxy's drops or rejects packets to the Service, before or after their address is "
        "translated.",
        "{command}",
    ),
    Code.SERVICE_REFUSED: Entry(
        "on {node}, {protocol} to Service {subject} ({address}:{port}) is refused by kube-proxy's {rule}, though the "
        "API has the endpoints {expected}",
        "kube-proxy's rules are of a time when the Service had no ready endpoints: it is stopped, or cut off from the "
        "API.",
        "kubectl --namespace kube-system get pods -l k8s-app=kube-proxy -o wide",
    ),
    Code.SERVICE_DIVERTED: Entry(
        "on {node}, {protocol} to Service {subject} ({address}:{port}) is diverted to {actual} by {rule}",
        "A rule that is not kube-proxy's translates the Service's address first; the first translation stands.",
        "{command}",
    ),
    Code.SERVICE_UNTRACKED: Entry(
        "on {node}, {protocol} to Service {subject} ({address}:{port}) is hidden from connection tracking by {rule}, "
        "so its address is not translated",
        "DNAT needs connection tracking. The rule must except the service network.",
        "{command}",
    ),
    Code.SERVICE_STALE: Entry(
        "on {node}, {protocol} to Service {subject} ({address}:{port}) is led to {actual}, expected {expected}",
        "kube-proxy's rules lead to endpoints that the API no longer has: it is stopped, or cut off from the API.",
        "kubectl --namespace kube-system get pods -l k8s-app=kube-proxy -o wide",
    ),
    Code.SERVICE_INCOMPLETE: Entry(
        "on {node}, {protocol} to Service {subject} ({address}:{port}) is led to {actual} alone: {missing} are missing",
        "kube-proxy's rules lack endpoints that the API has: it is stopped, or cut off from the API.",
        "kubectl --namespace kube-system get pods -l k8s-app=kube-proxy -o wide",
    ),
    Code.SERVICE_NO_HAIRPIN_SNAT: Entry(
        "on {node}, {protocol} from {source} to Service {subject} that is led back to it keeps its source address",
        "A pod drops packets from its own address. kube-proxy masquerades what is led back: its rules for that are "
        "missing, or another program's rule takes their mark away.",
        "kubectl --namespace kube-system rollout restart daemonset kube-proxy",
    ),
    Code.RESOLVER_OTHER: Entry(
        "{subject} asks {actual} for names (its resolv.conf), not the cluster's DNS ({expected})",
        "kubelet writes a pod's resolv.conf from its clusterDNS, the pod's dnsPolicy and dnsConfig.",
        "grep -A2 clusterDNS /var/lib/kubelet/config.yaml; kubectl --namespace {namespace} get pod {name} -o "
        "jsonpath='{{.spec.dnsPolicy}} {{.spec.dnsConfig}}'",
    ),
    Code.SERVICE_DNAT_WRONG: Entry(
        "Service {subject} does not answer, though its endpoints do: Service DNAT on {node} is wrong",
        "kube-proxy's rules are stale or missing: they lead to an endpoint that is gone, or nowhere.",
        "kubectl --namespace kube-system get pods -l k8s-app=kube-proxy -o wide",
    ),
}
