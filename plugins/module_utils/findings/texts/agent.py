# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent podnetd and its lease source."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

_LOG = "journalctl --unit podnetd --since -10min"

ENTRIES = {
    Code.AGENT_OUT_OF_SYNC: Entry(
        "{subject} cannot be reconciled: {error}",
        "The node's configuration, leases and interfaces contradict each other, or cannot be read; podnetd retries "
        "with growing pauses.",
        "podnetctl plan; " + _LOG,
    ),
    Code.AGENT_STALLED: Entry(
        "{subject}: no reconciliation for {seconds} s, so drift is not repaired",
        "podnetd missed several full reconciliations in a row: its process hangs or gets no processor time. A "
        "restart does not affect pods.",
        "systemctl restart podnetd",
    ),
    Code.AGENT_NO_LEASES: Entry(
        "{subject}: waiting for the lease source ({error}), so pods have no paths to other nodes yet",
        "podnetd has neither read its files nor heard of the API server since it started.",
        _LOG,
    ),
    Code.AGENT_CONFIGURATION_INVALID: Entry(
        "{subject}: {error}; keeping the last good configuration",
        "A file or a Node object that podnetd goes by cannot be right for this node.",
        "correct the inventory; ansible-playbook -i INVENTORY podnet.cluster.site",
    ),
    Code.AGENT_SETTINGS_INVALID: Entry(
        "{subject}: {error}; keeping the running settings",
        "podnetd received SIGHUP, and its settings file is invalid.",
        "correct the inventory's overlay_ variables; ansible-playbook -i INVENTORY podnet.cluster.site",
    ),
    Code.AGENT_SOURCE_LOST: Entry(
        "lost the watch on {subject}: {error}",
        "Peers that join, leave or change are unknown to this node until the lease source is back; all else goes on.",
        "curl --cacert /etc/podnet/kube/ca.crt {subject}/healthz; cat /etc/podnet/kube.json",
    ),
    Code.AGENT_CONTENTION: Entry(
        "{subject}: another process keeps changing the overlay (last: {event}); rate-limiting reconciliation",
        "Some other network manager or script undoes what podnetd does, or does what podnetd undoes. Stop it.",
        "ip -timestamp monitor all",
    ),
    Code.AGENT_LOCK_HELD: Entry(
        "{subject}: the namespace lock is held by another process; continuing without it",
        "podnetctl or an Ansible module has worked on this node for longer than podnetd waits.",
        "fuser --verbose /run/podnet/overlay.lock",
    ),
    Code.AGENT_NOT_LISTENING: Entry(
        "cannot listen on {subject}: {error}, so podnetd cannot be queried there",
        "The address is not on this node, or another process has the port. podnetd retries.",
        "ss --listening --tcp --processes; set overlay_listen to a free address and port; "
        "ansible-playbook -i INVENTORY podnet.cluster.site",
    ),
    Code.AGENT_NO_INOTIFY: Entry(
        "cannot watch {subject}: {error}; reading it every {resync} s only",
        "The node has no inotify instance left, or the directory does not exist.",
        "sysctl --write fs.inotify.max_user_instances=512",
    ),
    Code.AGENT_ACTION_FAILED: Entry(
        "{subject}: {error}; reconciling again",
        "Something that podnetd did between reconciliations failed. It goes on and checks everything.",
        _LOG,
    ),
    Code.AGENT_CERTIFICATE_EXPIRES: Entry(
        "client certificate {subject} expires at {when} UTC, after which podnetd cannot read the API",
        "site.yml renews a certificate that expires within 60 days; it was not run for long.",
        "ansible-playbook -i INVENTORY podnet.cluster.site",
    ),
    Code.AGENT_NODE_NOT_PATCHED: Entry(
        "Node {subject}: status not patched: {error}; peers and the scheduler see what it said before",
        "The API server refused the patch, or was not reached.",
        "kubectl auth can-i patch nodes/{subject} --subresource=status --as=podnet:node:{subject}",
    ),
    Code.AGENT_CACHE_NOT_WRITTEN: Entry(
        "cannot write {subject}: {error}; if the node boots without the API server, it starts from older leases",
        "The disk is full or read-only.",
        "df /var/lib/podnet",
    ),
    Code.AGENT_RELEASE_FAILED: Entry(
        "addresses of container {subject} (interface {interface}, network {network}) are not released",
        "The container is gone, and CNI DEL failed for what it had reserved. podnetd tries again.",
        "ls -l /var/lib/cni/networks/{network}; journalctl --unit podnet-cni",
    ),
    Code.AGENT_RESTORE_FAILED: Entry(
        "nftables elements of pods of network {subject} are not all restored",
        "The nftables table was deleted, and `podnet-cni restore` could not add every pod's elements again: host "
        "ports, masquerade, firewall.",
        "podnet-cni restore {subject}",
    ),
}
