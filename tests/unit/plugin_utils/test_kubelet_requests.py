# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which serving certificates kubelets get: for themselves, under the names by which the play knows their node."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.plugin_utils.kubelet_requests import refusal
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

KEY = ec.generate_private_key(ec.SECP256R1())
GROUPS, USAGES = ["system:nodes", "system:authenticated"], ["digital signature", "server auth"]
KNOWN = ["node1", "10.77.0.11", "fd00:77:0::11"]
OWN = (x509.DNSName("node1"), x509.IPAddress(ip_address("10.77.0.11")))


def asked(names=OWN, subject=("system:nodes", "system:node:node1"), key=KEY, more=None, **changed) -> dict:
    """A request as kube.serving.essence has it."""
    organization, common = subject
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                x509.NameAttribute(NameOID.COMMON_NAME, common),
            ]
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if more:
        builder = builder.add_extension(more, critical=False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    return {"request": pem, "groups": GROUPS, "usages": USAGES, **changed}


@pytest.mark.parametrize(
    ("names", "usages"),
    [
        (OWN, USAGES),
        ([x509.DNSName("node1"), x509.IPAddress(ip_address("fd00:77::11"))], ["server auth", "key encipherment"]),
    ],
)
def test_a_kubelet_s_own_request_passes(names, usages):
    assert refusal("node1", KNOWN, asked(names, usages=usages)) is None


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"groups": ["system:authenticated"]}, "group"),
        ({"usages": ["digital signature", "client auth"]}, "usages"),
        ({"usages": [*USAGES, "client auth"]}, "usages"),
        ({"subject": ("system:nodes", "system:node:node2")}, "subject"),
        ({"subject": ("system:masters", "system:node:node1")}, "subject"),
        ({"more": x509.BasicConstraints(ca=True, path_length=None)}, "extensions"),
        ({"names": []}, "extensions"),
        ({"key": rsa.generate_private_key(65537, 2048)}, "key"),
        ({"key": ec.generate_private_key(ec.SECP384R1())}, "key"),
        ({"request": "no request"}, "encoding"),
    ],
)
def test_what_no_kubelet_requests_is_refused(changed, part):
    finding = refusal("node1", KNOWN, asked(**changed))
    assert (finding.code, finding.parameters["part"]) == (Code.KUBELET_REQUEST_INVALID, part)


@pytest.mark.parametrize(
    "name",
    [
        x509.IPAddress(ip_address("10.77.0.12")),
        x509.DNSName("node2"),
        x509.DNSName("*.cluster.local"),
        x509.RFC822Name("node1"),
        x509.UniformResourceIdentifier("node1"),
    ],
)
def test_a_name_that_the_play_does_not_know_is_refused(name):
    finding = refusal("node1", KNOWN, asked([*OWN, name]))
    assert finding.code is Code.KUBELET_REQUEST_NAMES and len(finding.parameters["found"]) == 1
