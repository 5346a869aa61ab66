# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control plane's etcd, its certificates, and its cluster's backups."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

_RESTORE = "ansible-playbook -i INVENTORY podnet.cluster.restore -e backup={subject}"
_BACKUP = "ansible-playbook -i INVENTORY podnet.cluster.backup"
_RENEW = "ansible-playbook -i INVENTORY podnet.cluster.renew_certificates"

ENTRIES = {
    Code.API_SERVER_NOT_READY: Entry(
        "the API server of {subject} ({address}) is not ready, so {node} uses the others: {error}",
        "Its machine is down, it has no etcd that answers, or a firewall is in between. With none left, the node keeps "
        "its pods and learns of no change.",
        "kubectl get --raw='/readyz?verbose' --server=https://{address}:6443 (on a control plane)",
    ),
    Code.ETCD_SILENT: Entry(
        "etcd of {subject} does not answer: {error}",
        "The member does not run, or has no quorum. The API server on this node can neither read nor write. The "
        "command is for that node.",
        "crictl ps --all --name etcd; crictl logs $(crictl ps --all --quiet --name etcd | head -1)",
    ),
    Code.ETCD_MEMBER_SILENT: Entry(
        "member {subject} of etcd ({peer}) cannot be reached from {node}, so {spare} more may be lost: {error}",
        "Its machine is down, or was removed by other means than remove_node.yml. While it is a member, it counts for "
        "the majority that etcd needs.",
        "ansible-playbook -i INVENTORY podnet.cluster.remove_node -e node={subject} (or start its machine)",
    ),
    Code.ETCD_ALARM: Entry(
        "etcd of {subject} has the alarm {alarm}, so the API accepts no change",
        "NOSPACE: the database reached its quota; backup.yml defragments it and clears the alarm. CORRUPT: members "
        "differ; replace the one that is wrong.",
        _BACKUP,
    ),
    Code.ETCD_SPACE_LOW: Entry(
        "etcd of {subject} uses {used} of {quota} MiB; at the quota the API accepts no change",
        "Objects that nothing deletes (events, jobs, releases), or a quota that is too small for the cluster.",
        "kubectl get --raw /metrics | grep apiserver_resource_objects (what there is most of), or a larger quota: "
        "control_plane_etcd_args: {{quota-backend-bytes: 8589934592}}",
    ),
    Code.CERTIFICATE_EXPIRES: Entry(
        "certificate {subject} expires at {when} UTC, in {days} days",
        "kubeadm's certificates are valid for a year, and renewed by an upgrade, by the playbook, or by its timer "
        "(certificates_timer). The kubelet renews its own; one that was off for long does not.",
        _RENEW,
    ),
    Code.CERTIFICATE_EXPIRED: Entry(
        "certificate {subject} expired at {when} UTC, so whatever shows it is refused",
        "It was not renewed in time. A kubelet whose client certificate has expired must join again: "
        "remove_node, then add_node.",
        _RENEW,
    ),
    Code.BACKUP_FAILED: Entry(
        "the last run of {subject} on {node} failed, so there is no backup since the one before",
        "etcd did not answer, or the disk is full. The command is for that node.",
        "journalctl -u podnet-backup; systemctl start podnet-backup",
    ),
    Code.BACKUP_TIMER_STOPPED: Entry(
        "{subject} on {node} does not run, so no backup will be made",
        "The timer was stopped or disabled by hand. The command is for that node.",
        "systemctl enable --now {subject}",
    ),
    Code.BACKUP_OLD: Entry(
        "the newest backup in {subject} on {node} is of {newest}, but the timer's turn was at {due} UTC",
        "The backup still runs after an hour, or its file was moved away or deleted.",
        "systemctl status podnet-backup; ls -l {subject}; systemctl start podnet-backup",
    ),
    Code.BACKUP_DAMAGED: Entry(
        "backup {subject} is damaged: {error}",
        "The file is not a backup, was copied in part, or was changed.",
        "copy it again, and compare sha256sum at both ends",
    ),
    Code.BACKUP_ENCRYPTED: Entry(
        "backup {subject} is encrypted, and no key was given",
        "It was made with backup_recipient; only the private key of that certificate opens it.",
        f"{_RESTORE} -e backup_key=FILE",
    ),
    Code.BACKUP_NOT_DECRYPTED: Entry(
        "backup {subject} cannot be decrypted with {key}: {error}",
        "The key is not that of the certificate backup_recipient, or the file is damaged.",
        "openssl cms -cmsout -print -inform DER -in {subject} | grep -A3 issuer (whose key it wants)",
    ),
    Code.BACKUP_OF_OTHER_CLUSTER: Entry(
        "backup {subject} is of cluster {actual}, expected {expected}",
        "A cluster's UID is that of its namespace kube-system; backups have it in their names.",
        f"{_RESTORE} -e restore_cluster={{actual}} (or give a backup of {{expected}})",
    ),
    Code.BACKUP_RELEASE_DIFFERS: Entry(
        "backup {subject} is of Kubernetes {actual} with etcd {etcd}, but kubernetes_release is {wanted}",
        "Older releases cannot read what newer ones wrote; newer ones are reached by an upgrade.",
        f"{_RESTORE} -e kubernetes_release={{actual}}",
    ),
    Code.BACKUP_KEYS_MISSING: Entry(
        "backup {subject} has {count} keys that control_plane_encryption lacks, so what they encrypted would be lost",
        "Secrets are encrypted in etcd by these keys; the backup has them in kubernetes/podnet/encryption.yaml.",
        "add them to control_plane_encryption: {plain} | "
        "tar --extract --to-stdout --gzip kubernetes/podnet/encryption.yaml",
    ),
    Code.NODE_IN_CLUSTER: Entry(
        "node {subject} is in a cluster already, so nothing is restored onto it",
        "A restored cluster is made on bare machines: what the old one left would be of two minds with it.",
        "ansible-playbook -i INVENTORY podnet.cluster.reset -e reset_nodes={subject}",
    ),
}
