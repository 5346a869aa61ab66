# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node's certificate signing request says: read once for both who judge one, identities and kubelet_requests."""

from __future__ import annotations

import warnings

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: What a request or a certificate of the wrong kind makes of cryptography, besides its own errors.
UNREADABLE = (ValueError, TypeError, InvalidSignature)
#: The key's curve that a node makes.
CURVE = ec.SECP256R1.name


def read(pem: object) -> x509.CertificateSigningRequest:
    """The request, whose signature is by its key. Raises one of UNREADABLE."""
    request = x509.load_pem_x509_csr(str(pem).encode())
    if not request.is_signature_valid:
        raise InvalidSignature("its signature is not by its key")
    return request


def subject(thing: x509.CertificateSigningRequest | x509.Certificate) -> x509.Name:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names longer than 64 characters, which Kubernetes has
        return thing.subject


def is_exactly(found: x509.Name, group: str, user: str) -> bool:
    """Whether a subject is two RDNs of one attribute each, in the order in which nodes make them and Go writes them."""
    rdns = [[(each.oid, each.value) for each in rdn] for rdn in found.rdns]
    return rdns == [[(NameOID.ORGANIZATION_NAME, group)], [(NameOID.COMMON_NAME, user)]]


def curve(key: object) -> str:
    """The name of an elliptic key's curve, of another key its type."""
    return key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__
