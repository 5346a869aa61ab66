# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Kubernetes archive: a directory with everything a node needs where no repository can be reached.

SHA256SUMS        of every other file, as sha256sum(1) writes it
manifest.json     {"release": "1.37.2", "images": [{"name": "registry.k8s.io/pause:3.10", "file": "images/pause.tar"}]}
bin/              kubelet, kubeadm, kubectl; perhaps crictl, containerd, containerd-shim-runc-v2, ctr, runc
images/*.tar      docker-archives
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Any, NamedTuple

SUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
BINARIES = ("kubelet", "kubeadm", "kubectl")
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

    def binaries(self) -> list[str]:
        """The executables' relative paths, in order."""
        return sorted(path for path in self.sums if path.startswith("bin/"))


def read(directory: str) -> Archive:
    """Reads what the archive says of itself; no checksum is made yet. Raises ArchiveError."""
    sums = _sums(_text(directory, SUMS))
    if MANIFEST not in sums:
        raise ArchiveError(f"{directory}/{SUMS} has no line for {MANIFEST}")
    manifest = _text(directory, MANIFEST)
    if hashlib.sha256(manifest.encode()).hexdigest() != sums[MANIFEST]:
        raise ArchiveError(f"{directory}/{MANIFEST} has not the checksum that {SUMS} gives: copy the archive again")
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
        raise ArchiveError(
            f"{directory}/{MANIFEST} names {unknown[0]}, which {SUMS} does not: make {SUMS} anew from complete files"
        )
    return Archive(directory, release, sums, images)


def verify(archive: Archive, paths: list[str] | None = None) -> list[str]:
    """What is wrong with the archive's files, or those in ``paths``: a message for each that is missing or differs."""
    wrong = []
    for path in sorted(archive.sums) if paths is None else paths:
        try:
            actual = sha256(os.path.join(archive.directory, path))
        except OSError as error:
            wrong.append(f"{archive.directory}/{path} cannot be read ({error.strerror}): copy the archive again")
            continue
        if actual != archive.sums[path]:
            wrong.append(
                f"{archive.directory}/{path} has not the checksum that {SUMS} gives "
                f"({archive.sums[path]}) but {actual}: copy the archive again"
            )
    return wrong


def sha256(path: str) -> str:
    """A file's SHA-256 in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _text(directory: str, name: str) -> str:
    try:
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ArchiveError(
            f"{directory}/{name} cannot be read ({reason}): give a directory that holds {SUMS}, {MANIFEST}, bin/ "
            "and images/"
        ) from None


def _sums(text: str) -> dict[str, Any]:
    sums = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        if not match:
            raise ArchiveError(f"{SUMS}, line {number}: {line!r} is not a line of sha256sum")
        sums[match[2]] = match[1]
    return sums
