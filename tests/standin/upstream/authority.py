# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate authority, and a server's certificate by it."""

from __future__ import annotations

import pathlib
import subprocess


def make(directory: pathlib.Path, names: list[str], address: str) -> None:
    """Makes ca.crt, server.crt and server.key for host names and an IP address."""
    directory.mkdir(parents=True, exist_ok=True)
    subject = ",".join([*(f"DNS:{name}" for name in names), f"IP:{address}"])
    # all that Python demands since 3.13 (VERIFY_X509_STRICT, RFC 5280)
    (directory / "server.ext").write_text(
        f"subjectAltName={subject}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"
        "keyUsage=digitalSignature\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=stand-in "
        "-addext keyUsage=critical,keyCertSign,cRLSign",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server",
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -extfile server.ext",
    ):
        subprocess.run(["openssl", *command.split()], cwd=directory, check=True, capture_output=True)
