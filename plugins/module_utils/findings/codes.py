# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every kind of fault, once. The value is what JSON, metrics and the documentation call it: it stays what it is."""

from __future__ import annotations

from enum import Enum


class Code(str, Enum):
    """``<object>.<state>``: the kind of kernel or Kubernetes object, and what is the matter with it."""

    # -- a pod and its interface
    POD_NETNS_GONE = "pod.netns-gone"
    POD_INTERFACE_MISSING = "pod.interface-missing"

    # -- a node's agent and its client certificate
    REQUEST_UNREADABLE = "certificate-request.unreadable"
    REQUEST_SUBJECT = "certificate-request.subject"
    REQUEST_EXTENSIONS = "certificate-request.extensions"
    REQUEST_KEY_TYPE = "certificate-request.key-type"
    REQUEST_NOT_ASKED = "certificate-request.not-asked"
    CERTIFICATE_UNREADABLE = "certificate.unreadable"
    CERTIFICATE_SUBJECT = "certificate.subject"
    CERTIFICATE_KEY = "certificate.key"
    CERTIFICATE_EXTENSIONS = "certificate.extensions"

    def __str__(self) -> str:
        return self.value
