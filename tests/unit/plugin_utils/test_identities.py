# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller approves: requests that a node forged, and certificates that are not what was asked for."""

from __future__ import annotations

import base64
import datetime
import shutil

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.kube import openssl
from ansible_collections.podnet.cluster.plugins.plugin_utils.identities import (
    Refused,
    checked_certificate,
    checked_request,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

NAMES = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME}
OWN = (
    [("O", "podnet:nodes")],
    [("CN", "podnet:node:node1")],
)
ALT = x509.SubjectAlternativeName([x509.DNSName("kubernetes.default.svc")])
KEY = ec.generate_private_key(ec.SECP256R1())


def name(rdns: list[list[tuple[str, str]]]) -> x509.Name:
    return x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(NAMES[kind], value) for kind, value in rdn])
            for rdn in rdns
        ]
    )


def request(subject=OWN, key=KEY, extension=None, attribute=None) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(subject))
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    if attribute is not None:
        builder = builder.add_attribute(*attribute)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(Encoding.PEM).decode()


def certificate(subject=OWN, key=KEY, usages=(Usage.CLIENT_AUTH,), extensions=()) -> str:
    now = datetime.datetime(2026, 1, 1)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    builder = (
        x509.CertificateBuilder().subject_name(name(subject)).issuer_name(issuer).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(365))
    )  # fmt: skip
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def refused(function, *arguments):
    with pytest.raises(Refused) as caught:
        function(*arguments)
    return caught.value.finding


def test_a_node_s_own_request_passes():
    assert checked_request("node1", request()).startswith("-----BEGIN CERTIFICATE REQUEST-----")


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
@pytest.mark.parametrize("node", ["node1", f"ip-10-0-0-1.{'a' * 60}.example.com"])
def test_what_a_node_s_openssl_makes_passes(node):
    """Names longer than X.509's 64 characters included: Kubernetes has them."""
    made = openssl.request(openssl.make_key(), f"podnet:node:{node}", "podnet:nodes")
    assert checked_request(node, made).split() == made.split()


@pytest.mark.parametrize(
    "subject",
    [
        [[("O", "podnet:nodes")], [("CN", "podnet:node:node2")]],
        [[("O", "system:masters")], [("CN", "podnet:node:node1")]],
        [[("O", "podnet:nodes")], [("CN", "system:admin")]],
        [[("O", "podnet:nodes")], [("O", "system:masters")], [("CN", "podnet:node:node1")]],
        [[("O", "podnet:nodes"), ("O", "system:masters")], [("CN", "podnet:node:node1")]],
        [[("O", "podnet:nodes"), ("CN", "podnet:node:node1")]],
        [[("O", "podnet:nodes")], [("CN", "podnet:node:node1"), ("OU", "x")]],
        [[("O", "podnet:nodes")], [("CN", "podnet:node:node2")], [("CN", "podnet:node:node1")]],
        [[("O", "podnet:nodes")], [("CN", "podnet:node:node1")], [("CN", "podnet:node:node2")]],
        [*OWN, [("OU", "anything")]],
        [[("O", "podnet:nodes")], [("CN", "podnet:node:node1 ")]],
        [[("O", "podnet:nodes")], [("CN", "podnet:node:node1\0.node2")]],
        [[("O", "podnet:nodes")], [("CN", "PODNET:NODE:NODE1")]],
        [[("CN", "podnet:node:node1")]],
        [],
    ],
    ids=lambda subject: ",".join("+".join(map("=".join, rdn)) for rdn in subject).encode("unicode_escape").decode(),
)
def test_another_subject_is_refused(subject):
    found = refused(checked_request, "node1", request(subject))
    assert (found.code, found.subject) == (Code.REQUEST_SUBJECT, "node1")
    assert found.parameters["expected"] == "CN=podnet:node:node1,O=podnet:nodes"
    assert refused(checked_certificate, "node1", certificate(subject), request()).code == Code.CERTIFICATE_SUBJECT


@pytest.mark.parametrize(
    "more",
    [
        {"extension": ALT},
        {"extension": x509.BasicConstraints(ca=True, path_length=None)},
        {"extension": x509.ExtendedKeyUsage([Usage.SERVER_AUTH])},
        {"attribute": (x509.oid.AttributeOID.CHALLENGE_PASSWORD, b"secret")},
    ],
    ids=["alternative name", "CA", "server", "attribute"],
)
def test_extensions_are_refused(more):
    assert refused(checked_request, "node1", request(**more)).code == Code.REQUEST_EXTENSIONS


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (rsa.generate_private_key(65537, 2048), "RSAPublicKey"),
        (ec.generate_private_key(ec.SECP384R1()), "secp384r1"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519PublicKey"),
    ],
    ids=["rsa", "p384", "ed25519"],
)
def test_another_kind_of_key_is_refused(key, kind):
    found = refused(checked_request, "node1", request(key=key))
    assert found.code == Code.REQUEST_KEY_TYPE and kind in found.parameters["found"]


def test_what_is_not_signed_by_its_key_is_refused():
    """A request of another's public key, which the node cannot have signed."""
    good = x509.load_pem_x509_csr(request().encode()).public_bytes(Encoding.DER)
    other = x509.load_pem_x509_csr(request(key=ec.generate_private_key(ec.SECP256R1())).encode())
    point = bytes.fromhex("03420004")
    stolen = bytearray(good)
    theirs = other.public_bytes(Encoding.DER)
    at, there = good.index(point), theirs.index(point)
    stolen[at : at + 68] = theirs[there : there + 68]
    pem = "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n"
    text = pem.format(base64.b64encode(bytes(stolen)).decode())
    assert refused(checked_request, "node1", text).code == Code.REQUEST_UNREADABLE


@pytest.mark.parametrize(
    "text", ["", "x", None, 7, "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"]
)
def test_what_is_no_request_is_refused(text):
    assert refused(checked_request, "node1", text).code == Code.REQUEST_UNREADABLE
    assert refused(checked_certificate, "node1", text, request()).code == Code.CERTIFICATE_UNREADABLE


def test_only_what_was_checked_goes_on():
    """A second request behind the first goes no further: who signs might read another than who checks."""
    evil = request([[("O", "system:masters")], [("CN", "admin")]])
    good = request()
    assert checked_request("node1", f"note\n{good}{evil}") == good
    assert refused(checked_request, "node1", evil + good).code == Code.REQUEST_SUBJECT


def test_a_certificate_for_the_request_passes():
    more = (x509.BasicConstraints(ca=False, path_length=None),)
    assert checked_certificate("node1", certificate(extensions=more), request()).startswith(
        "-----BEGIN CERTIFICATE-----"
    )


def test_a_certificate_for_another_key_is_refused():
    other = ec.generate_private_key(ec.SECP256R1())
    assert refused(checked_certificate, "node1", certificate(key=other), request()).code == Code.CERTIFICATE_KEY


@pytest.mark.parametrize(
    "more",
    [
        {"usages": ()},
        {"usages": (Usage.SERVER_AUTH,)},
        {"usages": (Usage.CLIENT_AUTH, Usage.SERVER_AUTH)},
        {"extensions": (ALT,)},
        {"extensions": (x509.BasicConstraints(ca=True, path_length=None),)},
    ],
    ids=["no usage", "server", "client and server", "alternative name", "CA"],
)
def test_a_certificate_that_is_good_for_more_is_refused(more):
    assert refused(checked_certificate, "node1", certificate(**more), request()).code == Code.CERTIFICATE_EXTENSIONS
