# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When certificates end, as openssl says of them."""

from __future__ import annotations

import base64
import ssl
import subprocess
import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.kube import expiry

DAY = 86400
PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----"


def made(directory, name, days, *key) -> str:
    """A certificate (PEM) with so many days, and its key in front."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    words = ["openssl", "req", "-x509", "-nodes", "-days", str(days), "-subj", f"/O={'o' * 60}/CN={path.stem}"]
    subprocess.run(
        [*words, *(key or ("-newkey", "rsa:2048")), "-keyout", path, "-out", path], check=True, capture_output=True
    )
    return path.read_text()


def told(text) -> int:
    words = ["openssl", "x509", "-noout", "-enddate"]
    done = subprocess.run(words, input=text, text=True, capture_output=True, check=True)
    return int(ssl.cert_time_to_seconds(done.stdout.partition("=")[2].strip()))


@pytest.mark.parametrize("days", [1, 365, 3650, 9000, 20000], ids="{} days".format)
@pytest.mark.parametrize("key", [("-newkey", "rsa:2048"), ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")])
def test_the_end_is_what_openssl_reads(tmp_path, days, key):
    """From 2050 on the time is of another kind (RFC 5280, 4.1.2.5)."""
    text = made(tmp_path, "a.crt", days, *key)
    assert expiry.end(text) == told(text)
    embedded = f"users:\n- user:\n    client-certificate-data: {base64.b64encode(text.encode()).decode()}\n"
    assert expiry.end(embedded) == told(text)


@pytest.mark.parametrize(
    "text",
    ["", "client-certificate-data: ?", *(PEM.format(text) for text in ("MAA=", "?", "MIIB", "MAIwAA=="))],
)
def test_what_is_no_certificate(text):
    with pytest.raises(ValueError):
        expiry.end(text)


def test_what_has_expired_and_what_soon_will(tmp_path):
    made(tmp_path, "etc/kubernetes/pki/apiserver.crt", 20)
    made(tmp_path, "etc/kubernetes/pki/etcd/server.crt", 1)
    made(tmp_path, "var/lib/kubelet/pki/kubelet.crt", 300)
    made(tmp_path, "etc/podnet/kube/node.pem", 25)
    (tmp_path / "etc/kubernetes/admin.conf").write_text("apiVersion: v1\n")
    found = expiry.ends(root=str(tmp_path))
    assert [path.removeprefix(f"{tmp_path}/") for path in found] == [
        "etc/kubernetes/pki/apiserver.crt", "etc/kubernetes/pki/etcd/server.crt", "var/lib/kubelet/pki/kubelet.crt",
        "etc/podnet/kube/node.pem",
    ]  # fmt: skip
    findings = expiry.findings("n", found, time.time() + 2 * DAY)
    assert [(each.code, each.subject.rpartition("/")[2]) for each in findings] == [
        (Code.CERTIFICATE_EXPIRES, "apiserver.crt"),
        (Code.CERTIFICATE_EXPIRED, "server.crt"),
        (Code.CERTIFICATE_EXPIRES, "node.pem"),
    ]
    assert findings[0].parameters["days"] == 17
