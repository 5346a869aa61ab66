# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup of a cluster: one file, with everything that its control plane cannot be made from anew.

podnet-<cluster's UID>-<time>.tar.gz          a gzipped tar, or with ``.cms`` behind that encrypted (CMS, RFC 5083)
    manifest.json                             first; see Manifest
    etcd/snapshot.db
    kubernetes/pki/...                        /etc/kubernetes/pki
    kubernetes/podnet/...                     encryption and audit settings
    podnet/kubeadm.yaml                       what kubeadm init was given
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shlex
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any, NamedTuple

from ..findings.codes import Code
from ..findings.finding import Finding
from . import releases
from .archive import hashed, sha256

MANIFEST = "manifest.json"
SNAPSHOT = "etcd/snapshot.db"
ENCRYPTION = "kubernetes/podnet/encryption.yaml"
ENCRYPTED = ".cms"
_NAME = re.compile(r"podnet-(?P<cluster>[0-9a-f-]{36})-\d{8}T\d{6}Z\.tar\.gz(\.cms)?")
#: Where an encrypted file begins: the DER of a SEQUENCE.
_DER = b"\x30"
_FORMAT = 1
_DECRYPT = ("openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in")


class BackupError(Exception):
    """The file is no backup that can be used; ``finding`` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.subject)
        self.finding = finding


class Manifest(NamedTuple):
    """What a backup says of itself: its cluster (UID of the namespace kube-system), the node that it was made on, the
    releases of Kubernetes (``1.37.2``) and etcd, etcd's snapshot (see etcd.Snapshot), when (seconds since 1970), and
    the SHA-256 of each other file."""

    cluster: str
    node: str
    kubernetes: str
    etcd: str
    revision: int
    hash: int
    keys: int
    size: int
    time: int
    files: dict[str, str]


def name(cluster: str, when: float, encrypted: bool) -> str:
    """The file's name. Names of one cluster sort by their time."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(when))
    return f"podnet-{cluster}-{moment}.tar.gz{ENCRYPTED if encrypted else ''}"


def superfluous(directory: str, cluster: str, keep: int) -> list[str]:
    """The paths of the cluster's backups in ``directory`` but the newest ``keep``; other files are none of ours."""
    found = [each for each in os.listdir(directory) if (match := _NAME.fullmatch(each)) and match["cluster"] == cluster]
    return [os.path.join(directory, each) for each in sorted(found, reverse=True)[max(keep, 1) :]]


def write(path: str, sources: Mapping[str, str], facts: Mapping[str, Any], recipient: str) -> Manifest:
    """Writes a backup, whole or not at all: ``sources`` are files by their name in it, ``facts`` the manifest's values
    but ``files``, ``recipient`` a certificate's path, "" for a backup that is not encrypted. Raises OSError."""
    manifest = Manifest(**facts, files={inside: sha256(source) for inside, source in sources.items()})
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.tmp")
    try:
        with _sink(temporary, recipient) as sink:
            _pack(sink, manifest, sources)
        os.rename(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return manifest


def _pack(sink: IO[bytes], manifest: Manifest, sources: Mapping[str, str]) -> None:
    text = json.dumps({"format": _FORMAT, **manifest._asdict()}, indent=1).encode()
    head = tarfile.TarInfo(MANIFEST)
    head.size, head.mode, head.mtime = len(text), 0o600, manifest.time
    with gzip.GzipFile("", "wb", 3, sink) as out, tarfile.open(fileobj=out, mode="w|") as tar:
        tar.addfile(head, io.BytesIO(text))
        for inside, source in sources.items():
            tar.add(source, inside, recursive=False)


def read(path: str, extract: str = "") -> Manifest:
    """Reads a backup that is not encrypted and verifies each of its files; with ``extract`` they are written below
    that directory, as files that only root can read. Raises BackupError for a damaged one."""
    try:
        with tarfile.open(path, mode="r|gz") as tar:
            manifest, seen = None, set()
            for entry in tar:
                content = tar.extractfile(entry)
                if content is None:
                    raise ValueError(f"{entry.name} is not a file")
                if manifest is None:
                    manifest = _manifest(entry.name, content.read())
                    continue
                target = _target(extract, entry.name, manifest) if extract else os.devnull
                if _copy(content, target) != manifest.files.get(entry.name):
                    raise ValueError(f"{entry.name} differs from its checksum")
                seen.add(entry.name)
        if manifest is None or seen != set(manifest.files) or SNAPSHOT not in seen:
            raise ValueError("files are missing")
    except (OSError, EOFError, tarfile.TarError, ValueError, TypeError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BackupError(Finding(Code.BACKUP_DAMAGED, "", path, {"error": reason or "it ends too early"})) from None
    return manifest


def text_of(path: str, inside: str) -> str:
    """The text of one file of a backup that was read before, "" where it has none of that name."""
    with tarfile.open(path, mode="r|gz") as tar:
        for entry in tar:
            content = tar.extractfile(entry) if entry.name == inside else None
            if content:
                return content.read().decode(errors="replace")
    return ""


def is_encrypted(path: str) -> bool:
    """Whether the file is an encrypted one, by its first bytes. Raises BackupError where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(1) == _DER
    except OSError as error:
        raise BackupError(Finding(Code.BACKUP_DAMAGED, "", path, {"error": error.strerror})) from None


def decrypt(path: str, key: str, plain: str) -> None:
    """Writes what is in the encrypted backup as ``plain``; ``key`` is a file with the recipient's private key, and if
    need be the certificate. Raises BackupError, OSError."""
    with open(plain, "wb", opener=_private):
        pass
    command = [*_DECRYPT, path, "-inkey", key, "-out", plain]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        error = (done.stderr.strip() or "openssl failed").splitlines()[-1]
        raise BackupError(Finding(Code.BACKUP_NOT_DECRYPTED, "", path, {"key": key, "error": error}))


def misfits(manifest: Manifest, path: str, cluster: str, release: str, settings: tuple[str, str]) -> Iterator[Finding]:
    """What stands against restoring the backup: ``cluster`` is the UID that is expected ("" for any), ``release`` the
    one that the nodes will have, ``settings`` the API server's EncryptionConfiguration (YAML) as it was in the backup
    and as it will be: without the keys of then nothing that is encrypted can be read."""
    if cluster and manifest.cluster != cluster:
        yield Finding(Code.BACKUP_OF_OTHER_CLUSTER, "", path, {"actual": manifest.cluster, "expected": cluster})
    if releases.parse(release).minor != releases.parse(manifest.kubernetes).minor:
        there = {"actual": manifest.kubernetes, "etcd": manifest.etcd, "wanted": release}
        yield Finding(Code.BACKUP_RELEASE_DIFFERS, "", path, there)
    lacking = len(_secrets(settings[0]) - _secrets(settings[1]))
    if lacking:
        yield Finding(Code.BACKUP_KEYS_MISSING, "", path, {"count": lacking, "plain": _plain_by(path)})


def _plain_by(path: str) -> str:
    """The command that writes a backup unencrypted."""
    return f"{shlex.join([*_DECRYPT, path])} -inkey FILE" if is_encrypted(path) else shlex.join(["cat", path])


def _secrets(text: str) -> set[str]:
    """The keys in an EncryptionConfiguration."""
    return set(re.findall(r"^[\s-]*[\"']?secret[\"']?:\s*[\"']?([^\s\"']+)", text, re.MULTILINE))


def _manifest(inside: str, data: bytes) -> Manifest:
    if inside != MANIFEST:
        raise ValueError(f"{MANIFEST} is not its first file")
    values = json.loads(data)
    if values.pop("format") != _FORMAT:
        raise ValueError("it is of another version of this collection")
    return Manifest(**values)


def _target(directory: str, inside: str, manifest: Manifest) -> str:
    if inside not in manifest.files or os.path.isabs(inside) or ".." in inside.split("/"):
        raise ValueError(f"{inside} is not in {MANIFEST}")
    path = os.path.join(directory, inside)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    return path


def _copy(source: IO[bytes], target: str) -> str:
    with open(target, "wb", opener=_private) as file:
        return hashed(source, file)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def _sink(path: str, recipient: str) -> Iterator[IO[bytes]]:
    """A new file that only root can read, on the disk when the block ends; what is written to it is encrypted for the
    certificate ``recipient``, unless that is "". Raises OSError."""
    with open(path, "wb", opener=_private) as file:
        if recipient:
            with _encrypted(file, recipient) as pipe:
                yield pipe
        else:
            yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _encrypted(file: IO[bytes], recipient: str) -> Iterator[IO[bytes]]:
    command = ["openssl", "cms", "-encrypt", "-binary", "-stream", "-aes-256-gcm", "-outform", "DER", recipient]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.PIPE) as process:
        if process.stdin is None or process.stderr is None:
            raise OSError("openssl: no pipe")
        try:
            with suppress(BrokenPipeError):  # it has ended, and says why
                yield process.stdin
        finally:
            with suppress(BrokenPipeError):
                process.stdin.close()
        said = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        raise OSError(f"openssl cms -encrypt {recipient}: {said.splitlines()[0] if said else 'failed'}")
