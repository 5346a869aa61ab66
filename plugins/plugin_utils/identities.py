# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller approves: a node's request says who its agent is and nothing else, and so does its certificate.

A request comes from the node, so it is judged by what the play knows: the node's name there, never one that the node
sent. The kubernetes.io/kube-apiserver-client signer checks no subject itself (Kubernetes, certificate signing requests,
"Kubernetes signers"), so the approver is the only guard.
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from ..module_utils.findings.codes import Code
from ..module_utils.findings.finding import Finding, Value
from ..module_utils.kube.rbac import GROUP, user
from .signing_requests import CURVE, UNREADABLE, curve, is_exactly, read, subject


class Refused(Exception):
    """A request or a certificate is not what the node's agent may have; ``finding`` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code.value)
        self.finding = finding


def checked_request(node: str, pem: object) -> str:
    """The request for the agent of ``node``, PEM of what was checked alone. Raises Refused."""
    try:
        request = read(pem)
        asked = [each.oid.dotted_string for each in request.attributes]
        key = request.public_key()
    except UNREADABLE as error:
        raise _refused(Code.REQUEST_UNREADABLE, node, error=str(error)) from None
    _check_subject(Code.REQUEST_SUBJECT, node, request)
    if asked:
        raise _refused(Code.REQUEST_EXTENSIONS, node, found=asked)
    if curve(key) != CURVE:
        raise _refused(Code.REQUEST_KEY_TYPE, node, found=curve(key), expected=CURVE)
    return request.public_bytes(Encoding.PEM).decode()


def checked_certificate(node: str, pem: object, request: str) -> str:
    """The certificate that was signed for ``request`` (``checked_request``'s), PEM of it alone. Raises Refused."""
    try:
        certificate = x509.load_pem_x509_certificate(str(pem).encode())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        more = list(_more(certificate.extensions))
    except UNREADABLE as error:
        raise _refused(Code.CERTIFICATE_UNREADABLE, node, error=str(error)) from None
    _check_subject(Code.CERTIFICATE_SUBJECT, node, certificate)
    asked = x509.load_pem_x509_csr(request.encode()).public_key()
    if key != asked.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise _refused(Code.CERTIFICATE_KEY, node)
    if more:
        raise _refused(Code.CERTIFICATE_EXTENSIONS, node, found=more)
    return certificate.public_bytes(Encoding.PEM).decode()


def _check_subject(code: Code, node: str, thing: x509.CertificateSigningRequest | x509.Certificate) -> None:
    found = subject(thing)
    if not is_exactly(found, GROUP, user(node)):
        raise _refused(code, node, found=found.rfc4514_string(), expected=f"CN={user(node)},O={GROUP}")


def _more(extensions: x509.Extensions) -> Iterator[str]:
    """What of a certificate's extensions goes beyond a client's: kube-controller-manager writes those that it may."""
    usages = []
    for each in extensions:
        value = each.value
        if isinstance(value, x509.ExtendedKeyUsage):
            usages = list(value)
        elif isinstance(value, x509.BasicConstraints):
            if value.ca:
                yield "CA:TRUE"
        elif not isinstance(value, (x509.KeyUsage, x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier)):
            yield each.oid.dotted_string
    if usages != [ExtendedKeyUsageOID.CLIENT_AUTH]:
        yield f"extended key usage {', '.join(each.dotted_string for each in usages) or 'none'}"


def _refused(code: Code, node: str, **parameters: Value) -> Refused:
    return Refused(Finding(code, node, node, parameters))
