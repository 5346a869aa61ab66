# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control plane's node: its cluster's backup made from it, and the control plane made from a backup."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from ..converge import files
from ..converge.plan import Change, StateError
from ..kube import etcd
from . import archive, backup_file, membership

DIRECTORY = "/var/backups/podnet"
ETC = "/etc"
_LOCK = "/run/lock/podnet-backup.lock"
#: Bytes of a database below which it is not worth a pause.
_MUCH = 256 << 20
_KUBERNETES = "/etc/kubernetes"
_CONFIGURATION = "/etc/podnet/kubeadm.yaml"
#: What all nodes of a cluster share; kubeadm init makes the rest of pki/ from it, for the node's name and address.
_SHARED = re.compile(r"kubernetes/pki/(ca|front-proxy-ca|etcd/ca)\.(crt|key)|kubernetes/pki/sa\.(pub|key)")


def plan(directory: str, keep: int, recipient: str, made: dict[str, Any]) -> Iterator[Change]:
    """A new backup in ``directory``, and the removal of its cluster's old ones but ``keep``. ``made`` then has its
    ``path``, ``sha256`` and ``manifest``. Raises StateError on a node that has no etcd or is of no cluster."""
    marker = membership.read()
    if marker is None or not marker.cluster:
        raise StateError(f"{membership.MARKER} names no cluster: run site.yml")
    when = time.time()
    path = os.path.join(directory, backup_file.name(marker.cluster, when, bool(recipient)))
    made["path"] = path
    do = partial(_write, path, int(when), marker, recipient, made)
    yield Change("backup", path, f"write backup {path}", "", lambda: _shown(made), do)
    yield from _tidy(directory, marker.cluster, keep)
    found = etcd.status()
    if worth_defragmenting(found):
        text = f"defragment etcd ({found.size - found.used >> 20} of {found.size >> 20} MiB are not used)"
        yield Change("etcd", etcd.DATA, text, f"{found.size} bytes\n", f"{found.used} bytes\n", etcd.defragment)


def worth_defragmenting(found: etcd.Status) -> bool:
    """Whether the pause that defragmenting is pays: it gives back more than half of much, or ends an alarm."""
    return "NOSPACE" in found.alarms or (found.size >= _MUCH and found.used * 2 < found.size)


def _tidy(directory: str, cluster: str, keep: int) -> Iterator[Change]:
    if os.path.isdir(directory):
        for old in backup_file.superfluous(directory, cluster, keep):
            yield Change("backup", old, f"remove backup {old}", "a backup\n", "", partial(os.unlink, old))


def _move(source: str, path: str) -> None:
    os.chmod(source, 0o600)
    os.rename(source, path)


def keep_plan(source: str, sha256: str, directory: str, cluster: str, keep: int) -> Iterator[Change]:
    """Moves a backup that was fetched to ``directory``, and removes the cluster's old ones there but ``keep``. Raises
    StateError where it is not what the node wrote."""
    if archive.sha256(source) != sha256:
        raise StateError(f"{source} differs from the file on the node: run backup.yml again")
    path = os.path.join(directory, os.path.basename(source))
    yield Change("backup", path, f"write backup {path}", "", f"sha256:{sha256}\n", partial(_move, source, path))
    yield from _tidy(directory, cluster, keep)


def restore_plan(directory: str, manifest: backup_file.Manifest, image: str, name: str, peer: str) -> Iterator[Change]:
    """Makes ``name`` a control plane to be: the cluster's keys and etcd's data, from a backup that was extracted to
    ``directory``. kubeadm init then does the rest. ``peer`` is its etcd's URL. Raises StateError where the node has a
    cluster, or ``image`` has an older etcd than the backup's."""
    if os.path.exists(etcd.MANIFEST) or os.path.exists(f"{etcd.DATA}/member"):
        raise StateError("the node has an etcd already: reset it, or restore onto another one")
    shared = {inside: f"{ETC}/{inside}" for inside in manifest.files if _SHARED.fullmatch(inside)}
    for inside, path in shared.items():
        text = files.read(os.path.join(directory, inside))
        yield from files.plan({path: text}, 0o644 if path.endswith((".crt", ".pub")) else 0o600, secret=True)
    snapshot = os.path.join(directory, backup_file.SNAPSHOT)
    do = partial(_restore, image, snapshot, name, peer, manifest)
    after = f"revision {manifest.revision + etcd.BUMP}\n"
    yield Change("etcd", f"{etcd.DATA}/member", f"restore {etcd.DATA}/member", "", after, do)


def _restore(image: str, snapshot: str, name: str, peer: str, manifest: backup_file.Manifest) -> None:
    version = etcd.tools_version(image)
    if _minor(version) < _minor(manifest.etcd):
        raise StateError(f"image {image} has etcd {version}, which cannot read the data of {manifest.etcd}")
    etcd.restore(image, snapshot, name, peer)


def _minor(version: str) -> list[int]:
    return [int(part) for part in version.split(".")[:2]]


def _write(path: str, when: int, marker: membership.Membership, recipient: str, made: dict[str, Any]) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(_LOCK, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = etcd.status()
        with etcd.snapshot() as (snapshot, found):
            facts = {
                "cluster": marker.cluster,
                "node": marker.node,
                "kubernetes": _kubernetes(),
                "etcd": running.version,
                "revision": found.revision,
                "hash": found.hash,
                "keys": found.keys,
                "size": found.size,
                "time": when,
            }
            manifest = backup_file.write(path, {**_sources(), backup_file.SNAPSHOT: snapshot}, facts, recipient)
    made.update(manifest=manifest._asdict(), sha256=archive.sha256(path))


def _sources() -> dict[str, str]:
    """Files of the node by their name in the backup."""
    found = [
        os.path.join(directory, name)
        for top in ("pki", "podnet")
        for directory, _directories, names in os.walk(f"{_KUBERNETES}/{top}")
        for name in names
    ]
    found += [_CONFIGURATION] if os.path.exists(_CONFIGURATION) else []
    return {path.partition("/etc/")[2]: path for path in sorted(found)}


def _kubernetes() -> str:
    """The API server's release, by its image's tag. Raises StateError."""
    path = f"{_KUBERNETES}/manifests/kube-apiserver.yaml"
    match = re.search(r"^\s*image: \S+:v?(\d+\.\d+\.\d+)", files.read(path) or "", re.MULTILINE)
    if not match:
        raise StateError(f"{path} names no image with a release: run this on a control plane that kubeadm made")
    return match[1]


def _shown(made: dict[str, Any]) -> str:
    return f"revision {made['manifest']['revision']}\n" if "manifest" in made else "etcd and keys\n"
