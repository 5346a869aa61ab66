# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Executables and container images that come as files: which a node lacks, and their installation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..converge import files
from ..converge.plan import StateError
from . import facts
from .archive import Archive, sha256

#: What was installed: SHA-256, size in bytes and time of change in ns, by path. Saves hashing 200 MB at each run.
RECORD = "/var/lib/podnet/artifacts.json"


class Executable(NamedTuple):
    """A file to be installed as the executable ``path``, with its SHA-256."""

    path: str
    file: str
    sha256: str


class Image(NamedTuple):
    """An image to be had by ``name`` from an archive file, with the file's SHA-256."""

    name: str
    file: str
    sha256: str


def of_archive(archive: Archive, bin_dir: str, components: Sequence[str]) -> tuple[list[Executable], list[Image]]:
    """What a Kubernetes archive holds: of the executables, for ``bin_dir``, ``components`` and crictl; all images."""
    executables = [
        Executable(
            os.path.join(bin_dir, os.path.basename(path)), os.path.join(archive.directory, path), archive.sums[path]
        )
        for path in archive.binaries()
        if os.path.basename(path) in ("crictl", *components)
    ]
    images = [
        Image(name, os.path.join(archive.directory, path), archive.sums[path]) for name, path in archive.images.items()
    ]
    return executables, images


def lacking(executables: Sequence[Executable], images: Sequence[Image]) -> tuple[list[Executable], list[Image]]:
    """Those that the node does not have: executables with another content, images whose name containerd does not
    know."""
    record = _record()
    present = set(facts.images()) if images else set()
    return [each for each in executables if not _is_installed(each, record)], [
        each for each in images if each.name not in present
    ]


def install(executables: Sequence[Executable], images: Sequence[Image]) -> None:
    """Verifies all files, then installs them. Raises StateError for a wrong checksum, before anything is installed."""
    for file, wanted in {each.file: each.sha256 for each in executables}.items():
        _verify(file, wanted)
    for file, wanted in {each.file: each.sha256 for each in images}.items():
        _verify(file, wanted)
    record = _record()
    for executable in executables:
        _place(executable)
        record[executable.path] = [executable.sha256, *_stamp(executable.path)]
    if executables:
        files.write(RECORD, json.dumps(record, indent=1, sort_keys=True) + "\n")
    for file in dict.fromkeys(image.file for image in images):
        _import(file)
    absent = [image.name for image in images if image.name not in facts.images()] if images else []
    if absent:
        raise StateError(f"{absent[0]}: the archive was imported and holds no image of that name: correct the name")


def _verify(file: str, wanted: str) -> None:
    try:
        actual = sha256(file)
    except OSError as error:
        raise StateError(f"{file} cannot be read ({error.strerror}): copy it again") from None
    if actual != wanted:
        raise StateError(f"{file} has the SHA-256 {actual} and should have {wanted}: copy it again")


def _place(executable: Executable) -> None:
    os.makedirs(os.path.dirname(executable.path), exist_ok=True)
    temporary = f"{executable.path}.{os.getpid()}.tmp"
    shutil.copyfile(executable.file, temporary)
    os.chmod(temporary, 0o755)
    os.rename(temporary, executable.path)


def _import(file: str) -> None:
    try:
        done = subprocess.run(
            ["ctr", "--namespace", "k8s.io", "images", "import", file], check=False, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise StateError("the node has no ctr to import images with: install containerd first") from None
    if done.returncode:
        raise StateError(f"ctr could not import {file}: {done.stderr.strip()}")


def _is_installed(executable: Executable, record: dict[str, Any]) -> bool:
    try:
        if record.get(executable.path) == [executable.sha256, *_stamp(executable.path)]:
            return True
        return sha256(executable.path) == executable.sha256
    except OSError:
        return False


def _stamp(path: str) -> list[int]:
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns]


def _record() -> dict[str, Any]:
    try:
        record = json.loads(files.read(RECORD) or "{}")
    except ValueError:
        record = {}
    return record if isinstance(record, dict) else {}
