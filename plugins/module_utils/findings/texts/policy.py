# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NetworkPolicies, and their enforcement by podnetd."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

_LOG = "journalctl --unit podnetd --since -10min"

ENTRIES = {
    Code.POLICY_OUT_OF_SYNC: Entry(
        "{subject}: table inet podnet_policy is out of sync: {error}; the policies of before stay in force, and no new "
        "pod starts",
        "The kernel refused a change. podnetd retries with growing pauses.",
        "nft list table inet podnet_policy; " + _LOG,
    ),
    Code.POLICY_WATCH_LOST: Entry(
        "lost the watch on {subject}: {error}; the policies of before stay in force",
        "Pods, namespaces and policies that come or change are unknown to this node until the API server is back. "
        "New pods of namespaces with policies do not start meanwhile.",
        "curl --cacert /etc/podnet/kube/ca.crt SERVER/healthz; cat /etc/podnet/kube.json",
    ),
    Code.POLICY_NOT_SYNCED: Entry(
        "{subject}: policies are unknown since the start: {error}; what was in force before stays so",
        "podnetd has not heard of all pods, namespaces and policies since it started. New pods of namespaces with "
        "policies do not start.",
        _LOG,
    ),
    Code.POLICY_UNREADABLE: Entry(
        "{subject}: cannot be read: {error}; what it said before stays in force",
        "The API server accepted an object that this release does not understand.",
        "kubectl get networkpolicies,pods --all-namespaces; upgrade the collection: ansible-galaxy collection install "
        "--upgrade podnet.cluster",
    ),
    Code.POLICY_BRIDGE_BYPASSED: Entry(
        "{subject} is {value}, so packets between pods of this node pass no policy",
        "The kernel shows bridged packets to nftables only where this sysctl is 1; the module br_netfilter has it.",
        "modprobe br_netfilter; sysctl --write {subject}=1",
    ),
    Code.POLICY_CONNECTIONS_NOT_CUT: Entry(
        "{subject}: cannot cut the connections that a changed policy forbids: {error}; new ones are dropped "
        "nevertheless",
        "Connection tracking could not be read or marked. podnetd retries.",
        "conntrack --count; " + _LOG,
    ),
    Code.POLICY_NOT_SAVED: Entry(
        "{subject}: {error}; after a boot without API server this node starts with older policies",
        "The compiled policies could not be written.",
        "df /var/lib/podnet; mount --options remount,rw /var",
    ),
    Code.POLICY_DENIED: Entry(
        "{policies} isolate {subject} for {direction}, and no {direction} rule accepts {traffic} (peer: {peer}; "
        "accepted between the two: {allowed})",
        "A NetworkPolicy selects the pod, so in this direction only what a rule accepts passes. Rules of all policies "
        "add up.",
        "podnetctl policy {subject}; kubectl --namespace {namespace} edit networkpolicy {name}",
    ),
    Code.POLICY_RULE_DENIES: Entry(
        "{direction} rule {rule} of ClusterNetworkPolicy {policies} denies {traffic} of {subject} (peer: {peer}; "
        "accepted between the two: {allowed})",
        "The first rule that matches decides; the tier Admin comes before NetworkPolicies.",
        "podnetctl policy {subject}; kubectl edit clusternetworkpolicy {name}",
    ),
    Code.POLICY_ADDRESS_UNKNOWN: Entry(
        "{subject} is in the node's pod CIDR, and podnetd knows no pod that has this address: its packets are dropped",
        "Addresses of a node are closed until the policies of their pod are in force. ADD leaves a record of each pod "
        "below /run/podnet/policy.",
        "kubectl get pods --all-namespaces --output wide --field-selector status.podIP={subject}; "
        "ls /run/podnet/policy; " + _LOG,
    ),
    Code.POLICY_DRIFTED: Entry(
        "{subject} differs from the policies (pending: {pending}): connections pass or are dropped against them",
        "Another program has changed the table, and podnetd does not run or is kept from repairing it.",
        "systemctl restart podnetd; nft list table inet podnet_policy",
    ),
    Code.POLICY_STALE: Entry(
        "{subject} does not answer: the policies in force are {age} s old; what has changed since does not count",
        "The table stays as podnetd left it. Policies, labels and pods that are new to the API are unknown to it.",
        "systemctl start podnetd; " + _LOG,
    ),
    Code.POLICY_UNKNOWN: Entry(
        "{subject}: podnetd does not answer, and has left no policies on disk; what it drops is unknown",
        "The node is set to enforce policies, and podnetd has never brought any into force.",
        "systemctl restart podnetd; " + _LOG,
    ),
    Code.POLICY_BYPASSED: Entry(
        "{subject} reaches {target} by {traffic}, though {policies} forbid it",
        "A policy is in the API and not enforced: packets pass a node beside its table, or the node goes by older "
        "policies.",
        "podnetctl status; podnetctl policy {subject} --to {target}; sysctl net.bridge.bridge-nf-call-iptables",
    ),
    Code.POLICY_DROPS_COUNTED: Entry(
        "chain {subject} has dropped {packets} packets meanwhile",
        "The table counts what it drops.",
        "nft list chain inet podnet_policy {subject}",
    ),
}
