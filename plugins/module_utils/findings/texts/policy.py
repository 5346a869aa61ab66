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
}
