# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's key, its request for a certificate, and what a certificate says, by the node's own ``openssl``.

Keys go to it and come from it through pipes: none stands in a file or an argument that this module made.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import tempfile
from typing import NamedTuple

#: The request's subject and nothing else. OpenSSL cuts names at 64 characters (ub-common-name of RFC 5280 appendix A.1)
#: unless its table of strings says otherwise; a node's name has up to 253.
_CONFIG = """\
openssl_conf = start
[start]
stbl_section = strings
[strings]
CN = min:1, max:300
[req]
distinguished_name = subject
string_mask = utf8only
prompt = no
[subject]
O = {organization}
CN = {common_name}
"""


class OpensslError(ValueError):
    """``openssl`` is missing, or cannot read what it was given; the text says which."""


class Certificate(NamedTuple):
    """``subject`` as RFC 2253 writes it (``CN=a,O=b``), ``expires`` in seconds since the epoch, ``public_key`` PEM."""

    subject: str
    expires: int
    public_key: str


def make_key() -> str:
    """A new private key (PEM) on the curve P-256. Raises OpensslError."""
    return _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def public_key(text: str) -> str:
    """The public half (PEM) of the private key in ``text``. Raises OpensslError."""
    return _openssl("pkey", "-pubout", data=text)


def request(key: str, common_name: str, organization: str) -> str:
    """A request (PEM) for a certificate of that subject, signed by ``key`` (PEM). Raises OpensslError, OSError."""
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as file:
        file.write(_CONFIG.format(common_name=common_name, organization=organization))
        file.flush()
        return _openssl("req", "-new", "-sha256", "-config", file.name, "-key", "/dev/stdin", data=key)


def read_certificate(text: str) -> Certificate:
    """The first certificate in ``text``. Raises OpensslError."""
    words = ("-noout", "-subject", "-nameopt", "RFC2253", "-enddate", "-pubkey")
    subject, end, *public = _openssl("x509", *words, data=text).splitlines(keepends=True)
    return Certificate(
        subject.partition("=")[2].strip(), int(ssl.cert_time_to_seconds(end.partition("=")[2].strip())), "".join(public)
    )


def _openssl(*words: str, data: str = "") -> str:
    try:
        ran = subprocess.run(
            ["openssl", *words], input=data, capture_output=True, text=True, timeout=30, check=False,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError:
        raise OpensslError("openssl: command not found on this node: install the package openssl") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OpensslError(f"openssl {words[0]}: {error}") from None
    if ran.returncode:
        raise OpensslError(f"openssl {words[0]}: {(ran.stderr.strip() or 'failed').splitlines()[0]}")
    return ran.stdout
