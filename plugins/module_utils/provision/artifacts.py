# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Executables and container images that come as files: which a node lacks, and their installation."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..converge import files
from ..converge.plan import Change, StateError
from ..ipam.files import make_directory
from ..verify.model.runtimes import DEFAULT
from . import facts
from .archive import Archive, ArchiveError, hashed, sha256

#: What is installed: SHA-256, size in bytes and time of change in ns, by path. Saves hashing 200 MB at each run.
RECORD = "/var/lib/podnet/artifacts.json"
#: What imports an image from a file: the file's place and the image's name are filled in.
IMPORT = {
    "containerd": ("ctr", "--namespace", "k8s.io", "images", "import", "{file}"),
    "crio": (
        "skopeo", "--policy=/etc/crio/policy.json", "copy", "docker-archive:{file}:{name}",
        "containers-storage:[overlay@/var/lib/crio/storage+/run/crio/storage]{name}",
    ),
    "docker": ("docker", "load", "--input", "{file}"),
}  # fmt: skip


class Executable(NamedTuple):
    """A file to be installed as the executable ``path``, with its SHA-256."""

    path: str
    file: str
    sha256: str


class Image(NamedTuple):
    """An image to be had by ``name`` from an archive file, with the file's SHA-256; "" leaves the file unverified."""

    name: str
    file: str
    sha256: str


def of_archive(
    archive: Archive, bin_dir: str, components: Sequence[str], skipped: Sequence[str] = ()
) -> tuple[list[Executable], list[Image]]:
    """What a Kubernetes archive holds: the executables ``components`` for ``bin_dir``, crictl with kubelet, and its
    images but those ``skipped`` (``kube-apiserver``: a name's last part). Raises ArchiveError without a component."""
    names = [*components, *(["crictl"] if "kubelet" in components and "bin/crictl" in archive.sums else [])]
    lacking = [name for name in names if f"bin/{name}" not in archive.sums]
    if lacking:
        raise ArchiveError(f"{archive.directory} has no bin/{lacking[0]}: give an archive that holds it")
    executables = [
        Executable(f"{bin_dir}/{name}", f"{archive.directory}/bin/{name}", archive.sums[f"bin/{name}"])
        for name in names
    ]
    images = [
        Image(name, os.path.join(archive.directory, path), archive.sums[path])
        for name, path in archive.images.items()
        if name.rpartition("/")[2].partition(":")[0] not in skipped
    ]
    return executables, images


def lacking(
    executables: Sequence[Executable], images: Sequence[Image], check_mode: bool, runtime: str = DEFAULT
) -> tuple[list[Executable], list[Image]]:
    """Those that the node does not have: executables with another content, images whose name the runtime does not
    know. Raises StateError where it does not answer; in check mode it may be yet to start."""
    record = _record()
    present: list[str] = []
    try:
        present = facts.images(runtime) if images else []
    except StateError:
        if not check_mode:
            raise
    return [each for each in executables if not _is_installed(each, record)], [
        each for each in images if each.name not in present
    ]


def note(executables: Sequence[Executable]) -> None:
    """Records executables that were found as they should be, whoever installed them. Raises OSError."""
    before = _record()
    after = {**before, **{each.path: [each.sha256, *_stamp(each.path)] for each in executables}}
    if after != before:
        files.write(RECORD, json.dumps(after, indent=1, sort_keys=True) + "\n")


def recorded() -> dict[str, str]:
    """SHA-256 of those installed executables that were not touched since, by path."""
    return {path: entry[0] for path, entry in _record().items() if _is_unchanged(path, entry)}


def plan(
    executables: Sequence[Executable], images: Sequence[Image], check_mode: bool, runtime: str = DEFAULT
) -> Iterator[Change]:
    """Installs them from copies of their files, once all copies have the right checksums; in check mode the files may
    not be on the node yet. Each is applied before the next is asked for. Raises StateError for a wrong checksum."""
    with contextlib.ExitStack() as stack:
        copies: dict[str, str] = {}
        if not check_mode:
            for each in executables:
                copies[each.path] = stack.enter_context(_copy(each, f"{each.path}.{os.getpid()}.tmp"))
            if images:
                make_directory(os.path.dirname(RECORD))
                directory = stack.enter_context(tempfile.TemporaryDirectory(dir=os.path.dirname(RECORD)))
            for image in images:
                if image.file not in copies:
                    copy = os.path.join(directory, f"{len(copies)}-{os.path.basename(image.file)}")
                    copies[image.file] = stack.enter_context(_copy(image, copy))
        for each in executables:
            install = partial(_install, each, copies.get(each.path, ""))
            yield Change("executable", each.path, f"install {each.path}", "", f"sha256:{each.sha256}\n", install)
        for image in images:
            load = partial(_import, image, copies.get(image.file, ""), runtime)
            yield Change("image", image.name, f"install {image.name}", "", f"{image.name}\n", load)


@contextlib.contextmanager
def _copy(wanted: Executable | Image, copy: str) -> Iterator[str]:
    """A copy of the file, which has the right SHA-256 whatever becomes of the file; it is removed afterwards, unless it
    was moved. Raises StateError."""
    make_directory(os.path.dirname(copy))
    try:
        try:
            with open(wanted.file, "rb", buffering=0) as source, open(copy, "wb", buffering=0) as target:
                found = hashed(source, target)
        except OSError as error:
            raise StateError(f"{wanted.file} cannot be copied ({error.strerror}): copy it again") from None
        if wanted.sha256 not in ("", found):
            should = f"and should have {wanted.sha256}"
            raise StateError(f"{wanted.file} has the SHA-256 {found} {should}: copy it again")
        yield copy
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(copy)


def _install(executable: Executable, copy: str) -> None:
    os.chmod(copy, 0o755)
    os.rename(copy, executable.path)
    note([executable])


def _import(image: Image, copy: str, runtime: str) -> None:
    """Imports the image's archive, unless it came with another one's."""
    if image.name in facts.images(runtime):
        return
    command = [word.format(file=copy, name=image.name) for word in IMPORT[runtime]]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        raise StateError(f"{command[0]} is not installed, which imports images: install {runtime} first") from None
    if done.returncode:
        raise StateError(f"{' '.join(command)}: {done.stderr.strip()}")
    if image.name not in facts.images(runtime):
        raise StateError(f"{image.file} does not hold an image {image.name}: correct the name")


def _is_installed(executable: Executable, record: dict[str, Any]) -> bool:
    entry = record.get(executable.path)
    if entry and entry[0] == executable.sha256 and _is_unchanged(executable.path, entry):
        return True
    try:
        return sha256(executable.path) == executable.sha256
    except OSError:
        return False


def _is_unchanged(path: str, entry: list[Any]) -> bool:
    try:
        return _stamp(path) == entry[1:]
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
