# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the certificates on a node expire: kubeadm's, the kubelet's, the agent's. Without a process for each, since
podnetd's metrics are asked for every few seconds."""

from __future__ import annotations

import base64
import binascii
import glob
import os
import re
import time
from collections.abc import Iterable, Iterator

from ..findings.codes import Code
from ..findings.finding import Finding

#: Below a node's root; kubeadm's, of a control plane, come first.
KUBEADM = (
    "etc/kubernetes/pki/*.crt",
    "etc/kubernetes/pki/etcd/*.crt",
    "etc/kubernetes/admin.conf",
    "etc/kubernetes/super-admin.conf",
    "etc/kubernetes/controller-manager.conf",
    "etc/kubernetes/scheduler.conf",
)
KUBELET = ("var/lib/kubelet/pki/kubelet-client-current.pem", "var/lib/kubelet/pki/kubelet.crt")
AGENT = ("etc/podnet/kube/node.pem",)
#: Seconds before the end from which on it is a finding.
SOON = 30 * 86400
_PEM = re.compile("-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_EMBEDDED = re.compile(r"client-certificate-data:\s*(\S+)")


def ends(patterns: Iterable[str] = (*KUBEADM, *KUBELET, *AGENT), root: str = "/") -> dict[str, int]:
    """The end of the first certificate in each file that has one, in seconds since the epoch, by path."""
    found = {}
    for pattern in patterns:
        for path in sorted(glob.glob(os.path.join(root, pattern))):
            try:
                with open(path, encoding="ascii", errors="replace") as file:
                    found[path] = end(file.read())
            except (OSError, ValueError):
                continue  # whoever uses it says what is wrong with it
    return found


def end(text: str) -> int:
    """When the first certificate (PEM) in the text, or that of a kubeconfig's user, ends. Raises ValueError."""
    try:
        embedded = _EMBEDDED.search(text)
        match = _PEM.search(base64.b64decode(embedded[1]).decode("ascii") if embedded else text)
        return _not_after(base64.b64decode(match[1] if match else ""))
    except (IndexError, binascii.Error) as error:
        raise ValueError(f"not a certificate: {error}") from None


def findings(node: str, found: dict[str, int], now: float) -> list[Finding]:
    """Which of the certificates have expired, or do soon."""
    return [
        Finding(
            Code.CERTIFICATE_EXPIRED if ending <= now else Code.CERTIFICATE_EXPIRES,
            node,
            path,
            {"when": time.strftime("%Y-%m-%d %H:%M", time.gmtime(ending)), "days": max(0, int(ending - now) // 86400)},
        )
        for path, ending in found.items()
        if ending - now < SOON
    ]


def _not_after(der: bytes) -> int:
    """Of a Certificate (RFC 5280, 4.1): tbsCertificate's validity, which follows [0] version, serialNumber, signature
    and issuer. Raises IndexError, ValueError."""
    ((_tag, certificate),) = _elements(der)
    (_tag, to_be_signed), *_signature = _elements(certificate)
    fields = [content for tag, content in _elements(to_be_signed) if tag != 0xA0]
    _before, (tag, text) = _elements(fields[3])
    # UTCTime's two digits of the year are of 1950 to 2049 (4.1.2.5.1)
    from calendar import timegm  # with datetime and locale: only where there is a certificate

    whole = text.decode("ascii") if tag == 0x18 else ("19" if text >= b"50" else "20") + text.decode("ascii")
    return timegm(time.strptime(whole, "%Y%m%d%H%M%SZ"))


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that follow each other in DER: tag and content."""
    at = 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at : at + count], "big"), at + count
        yield tag, data[at : at + size]
        at += size
