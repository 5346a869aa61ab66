# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates of Kubernetes on a node."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

_RENEW = (
    "kubeadm certs renew all, and crictl stop $(crictl ps --quiet --name '^(etcd|kube-)') (kubeadm's); "
    "systemctl restart kubelet (the kubelet's); ansible-playbook -i INVENTORY podnet.cluster.site (the agent's)"
)

ENTRIES = {
    Code.CERTIFICATE_EXPIRES: Entry(
        "certificate {subject} expires at {when} UTC, in {days} days",
        "kubeadm's certificates are valid for a year, and renewed by an upgrade. The kubelet renews its client "
        "certificate while it runs; one that was off for long does not. The commands are for that node.",
        _RENEW,
    ),
    Code.CERTIFICATE_EXPIRED: Entry(
        "certificate {subject} expired at {when} UTC, so whatever shows it is refused",
        "It was not renewed in time. A kubelet whose client certificate has expired must join again: "
        "remove_node, then add_node.",
        _RENEW,
    ),
}
