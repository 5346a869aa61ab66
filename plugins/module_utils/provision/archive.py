# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Kubernetes archive: a directory with everything a node needs where no repository can be reached.

SHA256SUMS        of every other file, as sha256sum(1) writes it
SHA256SUMS.asc    a detached OpenPGP signature of it, where one is demanded
manifest.json     {"release": "1.37.2", "images": [{"name": "registry.k8s.io/pause:3.10", "file": "images/pause.tar"}]}
bin/              kubelet, kubeadm, kubectl; perhaps crictl, containerd, containerd-shim-runc-v2, ctr, runc
images/*.tar      docker-archives
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from typing import IO, Any, NamedTuple

from ..findings.codes import Code
from ..findings.finding import Finding
from . import openpgp

SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.asc"
MANIFEST = "manifest.json"
BINARIES = ("kubelet", "kubeadm", "kubectl")
#: ELF's e_machine (elf.h) → Go's name of the architecture.
MACHINES = {62: "amd64", 183: "arm64", 21: "ppc64le", 22: "s390x", 243: "riscv64", 258: "loong64"}
_LINE = re.compile(r"([0-9a-f]{64}) [ *](?:\./)?(.+)")


class ArchiveError(ValueError):
    """The directory is no archive; the text says what it lacks."""


class Archive(NamedTuple):
    """An archive's directory, its release without the "v", SHA-256 by file (relative path) and image files by image
    name."""

    directory: str
    release: str
    sums: dict[str, str]
    images: dict[str, str]


def read(directory: str, keyring: str = "") -> Archive:
    """Reads what the archive says of itself; no checksum is made yet. With ``keyring``, a file of public keys, one of
    them must have signed it. Raises ArchiveError."""
    text = _text(directory, SUMS)
    if keyring:
        _verify_signature(directory, text, keyring)
    sums = _sums(text)
    if MANIFEST not in sums:
        raise ArchiveError(f"{directory}/{SUMS} has no line for {MANIFEST}")
    manifest = _text(directory, MANIFEST)
    if hashlib.sha256(manifest.encode()).hexdigest() != sums[MANIFEST]:
        raise ArchiveError(f"{directory}/{MANIFEST} differs from the checksum in {SUMS}")
    lacking = [f"bin/{name}" for name in BINARIES if f"bin/{name}" not in sums]
    if lacking:
        raise ArchiveError(
            f"{directory}/{SUMS} has no line for {', '.join(lacking)}: an archive holds {', '.join(BINARIES)} in bin/"
        )
    outside = [path for path in sums if path.startswith("/") or ".." in path.split("/")]
    if outside:
        raise ArchiveError(f"{directory}/{SUMS} names {outside[0]!r}: its paths are relative, and inside the archive")
    try:
        data = json.loads(manifest)
        release = str(data["release"]).lstrip("v")
        images = {image["name"]: image["file"] for image in data["images"]}
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveError(
            f"{directory}/{MANIFEST} is not of the form {{release, images: [{{name, file}}]}}: {error!r}"
        ) from None
    unknown = [file for file in images.values() if file not in sums]
    if unknown:
        raise ArchiveError(f"{directory}/{MANIFEST} names {unknown[0]}, which {SUMS} does not")
    return Archive(directory, release, sums, images)


def verify(archive: Archive, node: str = "") -> list[Finding]:
    """What is wrong with the archive's files on ``node`` ("" for the controller): a finding for each that cannot be
    read, or has another checksum."""
    findings = []
    for name in sorted(archive.sums):
        path = os.path.join(archive.directory, name)
        try:
            actual = sha256(path)
        except OSError as error:
            values: dict[str, Any] = {"error": error.strerror, "sums": SUMS}
            findings.append(Finding(Code.ARCHIVE_FILE_UNREADABLE, node, path, values))
            continue
        if actual != archive.sums[name]:
            values = {"actual": actual, "expected": archive.sums[name], "sums": SUMS}
            findings.append(Finding(Code.ARCHIVE_FILE_CORRUPT, node, path, values))
    return findings


def inspect(
    directory: str, node: str = "", checksums: bool = True, keyring: str = ""
) -> tuple[Archive | None, list[Finding]]:
    """The archive in ``directory`` of ``node``, None where there is none that can be used, and what is wrong with it;
    with ``checksums`` each of its files is read, with ``keyring`` its signature is verified."""
    try:
        content = read(directory, keyring)
    except ArchiveError as error:
        return None, [Finding(Code.ARCHIVE_INVALID, node, directory, {"error": str(error), "sums": SUMS})]
    return content, verify(content, node) if checksums else []


def architecture(archive: Archive) -> str:
    """What the archive's executables are for, by Go's names; "" where that cannot be seen (ELF's e_machine)."""
    try:
        with open(os.path.join(archive.directory, "bin", BINARIES[0]), "rb") as file:
            head = file.read(20)
    except OSError:
        return ""
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return ""
    return MACHINES.get(int.from_bytes(head[18:20], "little" if head[5] == 1 else "big"), "")


def sha256(path: str) -> str:
    """A file's SHA-256 in hexadecimal. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        return hashed(file)


def hashed(source: IO[bytes], target: IO[bytes] | None = None) -> str:
    """The SHA-256, in hexadecimal, of what is read from ``source``, and written to ``target`` meanwhile. Raises
    OSError."""
    digest = hashlib.sha256()
    while chunk := source.read(1 << 20):
        digest.update(chunk)
        if target:
            target.write(chunk)
    return digest.hexdigest()


def _verify_signature(directory: str, text: str, keyring: str) -> None:
    """Whether a key in ``keyring`` has signed the checksums ``text``, by gpgv(1). Raises ArchiveError."""
    signature = os.path.join(directory, SIGNATURE)
    if not os.path.exists(signature):
        raise ArchiveError(f"{signature} does not exist: sign {SUMS} (gpg --armor --detach-sign {SUMS})")
    try:
        with open(keyring, "rb") as file:
            keys = openpgp.dearmored(file.read())
    except (OSError, ValueError) as error:
        raise ArchiveError(f"keyring {keyring}: {error}") from None
    with tempfile.NamedTemporaryFile(suffix=".gpg") as plain:  # gpgv takes none with armor
        plain.write(keys)
        plain.flush()
        command = ["gpgv", "--quiet", "--keyring", plain.name, signature, "-"]
        try:
            done = subprocess.run(command, input=text.encode(), check=False, capture_output=True)
        except FileNotFoundError:
            raise ArchiveError(f"gpgv is not installed, which verifies {SIGNATURE}: install gpgv (or gnupg2)") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().replace("\n", "; ")
        raise ArchiveError(f"{signature} is not a signature of {SUMS} by a key in {keyring} ({said})")


def _text(directory: str, name: str) -> str:
    try:
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ArchiveError(f"{directory}/{name} cannot be read ({reason})") from None


def _sums(text: str) -> dict[str, Any]:
    sums = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        if not match:
            raise ArchiveError(f"{SUMS}, line {number}: {line!r} is not a line of sha256sum")
        sums[match[2]] = match[1]
    return sums
