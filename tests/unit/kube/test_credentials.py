# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An agent's credentials: a request first, then the files, then nothing; and no secret in what is shown."""

from __future__ import annotations

import datetime
import os
import stat

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.kube import credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SERVER, CA = "https://192.0.2.11:6443", "-----BEGIN CERTIFICATE-----\nca\n-----END CERTIFICATE-----\n"
DAY = 86400


@pytest.fixture
def paths(tmp_path):
    return credentials.Paths(str(tmp_path / "kube.json"), str(tmp_path / "kube"))


def sign(pem: str, days: int = 365) -> str:
    """A certificate for the request ``pem``."""
    request = x509.load_pem_x509_csr(pem.encode())
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(x509.Name([]))
        .public_key(request.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def needs(paths, certificate=None, ca=CA):
    return credentials.present(paths, "node1", SERVER, ca, certificate, 60 * DAY)


@pytest.fixture
def certified(paths):
    """A node with credentials."""
    first = needs(paths)
    assert first.plan.apply() == []
    assert needs(paths, sign(first.request)).plan.apply() == []
    return paths


def test_a_key_and_a_request_come_first(paths):
    first = needs(paths)
    assert first.request and first.expires is None
    assert first.plan.describe() == [f"write file {paths.next()}"]
    assert first.plan.apply() == []
    again = needs(paths)
    assert again.request and not again.plan  # with the key that waits


def test_a_certificate_brings_all_files_and_then_nothing_is_left_to_do(paths):
    first = needs(paths)
    first.plan.apply()
    second = needs(paths, sign(first.request))
    assert second.request is None and second.expires
    assert second.plan.describe() == [
        f"write file {paths.pem()}",
        f"write file {paths.ca()}",
        f"write file {paths.kubeconfig}",
        f"remove file {paths.next()}",
    ]
    shown = "".join(part for diff in [*first.plan.diffs(), *second.plan.diffs()] for part in diff)
    assert "PRIVATE KEY" not in shown and SERVER in shown
    assert second.plan.apply() == []
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (paths.pem(), paths.ca(), paths.kubeconfig)]
    assert modes == [0o600, 0o644, 0o644]
    assert not needs(paths).plan and needs(paths).request is None


def test_a_key_that_others_can_read_is_closed_to_them(certified, tmp_path):
    (tmp_path / "kube/node.pem").chmod(0o644)
    plan = needs(certified).plan
    assert plan.describe() == [f"set mode 0600 of {certified.pem()}"]
    assert plan.apply() == [] and not needs(certified).plan


def test_another_ca_or_a_near_end_asks_anew(certified, paths):
    assert needs(certified, ca=CA.replace("ca", "new")).request
    request = needs(certified, ca=CA.replace("ca", "new"))
    request.plan.apply()
    assert needs(paths, sign(request.request, days=30), CA).plan.apply() == []
    assert needs(paths).request


def test_absent_removes_all_of_it(certified, tmp_path):
    plan = credentials.absent(certified).plan
    assert len(plan.describe()) == 3 and "PRIVATE" not in "".join(part for diff in plan.diffs() for part in diff)
    assert plan.apply() == [] and not (tmp_path / "kube").exists()
    assert not credentials.absent(certified).plan


def test_what_a_node_holds(certified):
    held = credentials.held("node1", certified)
    assert held and (held.node, held.server, held.ca) == ("node1", SERVER, CA)
    assert held.expires == needs(certified).expires


@pytest.mark.parametrize("file", ["kubeconfig", "ca", "pem"])
@pytest.mark.parametrize("text", [None, "", "{}"])
def test_a_node_with_a_part_of_it_holds_nothing(certified, file, text):
    path = certified.kubeconfig if file == "kubeconfig" else getattr(certified, file)()
    if text is None:
        os.unlink(path)
    else:
        with open(path, "w", encoding="utf-8") as part:
            part.write(text)
    assert credentials.held("node1", certified) is None


def test_a_node_without_credentials_or_with_another_s_holds_nothing(paths, certified, tmp_path):
    assert credentials.held("node2", certified) is None
    assert credentials.held("node1", credentials.Paths(str(tmp_path / "no.json"), str(tmp_path / "no"))) is None


def test_a_certificate_that_has_ended_is_none(paths):
    first = needs(paths)
    first.plan.apply()
    assert needs(paths, sign(first.request, days=0)).plan.apply() == []
    assert credentials.held("node1", paths) is None
