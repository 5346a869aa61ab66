# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller approves of kubelets: a serving certificate for the node's own name and addresses.

The request comes from the node, so it is judged by what the play knows of the node. With a certificate for another's
address a node that was taken over could pose as that kubelet to the API server, and read what is sent to its pods.
The rules are those of the signer kubernetes.io/kubelet-serving (Kubernetes, certificate signing requests, "Kubernetes
signers"), which checks no names, and the names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from ..module_utils.findings.codes import Code
from ..module_utils.findings.finding import Finding
from ..module_utils.kube.serving import GROUP, user
from .signing_requests import CURVE, UNREADABLE, curve, is_exactly, read, subject

_USAGES = {"digital signature", "key encipherment", "server auth"}
_OPTIONAL = {"digital signature", "key encipherment"}


def refusal(node: str, names: Collection[str], request: dict[str, Any]) -> Finding | None:
    """Why the request (``kube.serving.essence``) is not by the kubelet of ``node`` for some of ``names`` (its name, its
    addresses); None where it is."""
    try:
        asked = read(request["request"])
        for part, found, expected in _parts(node, asked, request):
            if found != expected:
                return _invalid(node, part, found, expected)
        wanted = sorted(_names(asked))
    except UNREADABLE as error:
        return _invalid(node, "encoding", str(error), "a signed PKCS #10 request")
    known = {_canonical(each) for each in names}
    unknown = [each for each in wanted if each not in known]
    if unknown or not wanted:
        return Finding(Code.KUBELET_REQUEST_NAMES, node, node, {"found": unknown, "expected": sorted(known)})
    return None


def _parts(node: str, asked: x509.CertificateSigningRequest, request: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a kubelet's request has but for its names, as it is and as it should be."""
    yield "group", GROUP if GROUP in request["groups"] else ", ".join(request["groups"]), GROUP
    usages = set(request["usages"])
    right = _USAGES >= usages >= _USAGES - _OPTIONAL
    expected = ", ".join(sorted(_USAGES))
    yield "usages", expected if right else ", ".join(sorted(usages)), expected
    name, expected = subject(asked), f"CN={user(node)},O={GROUP}"
    yield "subject", expected if is_exactly(name, GROUP, user(node)) else name.rfc4514_string(), expected
    oid = ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string
    yield "extensions", ", ".join(each.oid.dotted_string for each in asked.extensions), oid
    yield "key", curve(asked.public_key()), CURVE


def _names(asked: x509.CertificateSigningRequest) -> Iterator[str]:
    """The names that are asked for; one that is neither a host's nor an address as text that no node is known by."""
    for each in asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value:
        known = isinstance(each, (x509.DNSName, x509.IPAddress))
        yield str(each.value) if known else f"{type(each).__name__}:{each.value}"


def _canonical(name: str) -> str:
    """An address as a certificate's is written; the inventory may have ``fd00:0::1``."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def _invalid(node: str, part: str, found: str, expected: str) -> Finding:
    return Finding(
        Code.KUBELET_REQUEST_INVALID, node, node, {"part": part, "found": found or "none", "expected": expected}
    )
