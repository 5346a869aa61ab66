# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This node's etcd, by the tools in its own image: ``etcdctl`` and ``etcdutl``.

A running member is asked in its container, by ``crictl``. Without one, ``etcdutl`` runs in a container of its own; that
is the only thing here which needs containerd's ``ctr``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..converge import files
from ..converge.plan import StateError

MANIFEST = "/etc/kubernetes/manifests/etcd.yaml"
PKI = "/etc/kubernetes/pki/etcd"
#: Where kubeadm has the member's data (``dataDir``): the same path on the node and in the container.
DATA = "/var/lib/etcd"
#: What restored revisions are ahead of all that a client of the former cluster can have seen. etcd's and Kubernetes'
#: documentation of restoring; the former counts revisions of a week at 1,500 writes a second.
BUMP = 1_000_000_000
#: Seconds that a tool may take. A snapshot of 8 GiB, etcd's largest, takes minutes.
TIMEOUT = 900
_SNAPSHOT = f"{DATA}/.podnet-snapshot.db"
_RESTORED = f"{DATA}/.podnet-restored"


class Snapshot(NamedTuple):
    """What ``etcdutl snapshot status`` tells: ``hash`` of the content, its last revision, number of keys, size in
    bytes."""

    hash: int
    revision: int
    keys: int
    size: int


class Status(NamedTuple):
    """A member: etcd's version, bytes of its database file, those in use and those that it may have (0: not told), and
    its alarms (``NOSPACE``, ``CORRUPT``)."""

    version: str
    size: int
    used: int
    quota: int
    alarms: list[str]


class Member(NamedTuple):
    """One of the cluster's members: its ID, its node's name ("" before it has started), its first peer URL."""

    id: int
    name: str
    peer: str


def members() -> list[Member]:
    """The cluster's members. Raises StateError."""
    found = json.loads(_ctl("member", "list", "--write-out=json"))["members"]
    return [Member(each["ID"], each.get("name", ""), each["peerURLs"][0]) for each in found]


def remove(member: Member) -> None:
    """Removes it from the cluster. Raises StateError, also where etcd refuses: those left would be no majority."""
    _ctl("member", "remove", f"{member.id:x}")


@contextmanager
def snapshot() -> Iterator[tuple[str, Snapshot]]:
    """A file with the member's content, which only root can read, and what is in it; the file is there until the block
    ends. Raises StateError, OSError."""
    try:
        _ctl("snapshot", "save", _SNAPSHOT)
        found = json.loads(_inside("etcdutl", "snapshot", "status", _SNAPSHOT, "--write-out=json"))
        yield _SNAPSHOT, Snapshot(found["hash"], found["revision"], found["totalKey"], found["totalSize"])
    finally:
        for left in (_SNAPSHOT, f"{_SNAPSHOT}.part"):
            if os.path.exists(left):
                os.unlink(left)


def status() -> Status:
    """The member. Raises StateError for one that does not run or does not answer."""
    found = json.loads(_ctl("endpoint", "status", "--write-out=json"))[0]["Status"]
    alarms = json.loads(_ctl("alarm", "list", "--write-out=json")).get("alarms") or []
    own = [each for each in alarms if each.get("memberID") == found["header"]["member_id"]]
    return Status(
        found["version"],
        found["dbSize"],
        found.get("dbSizeInUse", found["dbSize"]),
        found.get("dbSizeQuota", 0),
        [_ALARMS.get(each["alarm"], str(each["alarm"])) for each in own],
    )


#: AlarmType in etcd's rpc.proto.
_ALARMS = {1: "NOSPACE", 2: "CORRUPT"}


def defragment() -> None:
    """Gives what the member's database does not use back to the file system; the member answers nothing meanwhile. An
    alarm for want of space that is over by that is cleared. Raises StateError."""
    _ctl("defrag", f"--command-timeout={TIMEOUT}s")
    found = status()
    if "NOSPACE" in found.alarms and found.quota and found.size < found.quota:
        _ctl("alarm", "disarm")


def restore(image: str, path: str, name: str, peer: str) -> None:
    """Makes the member's data from the snapshot file ``path``: the only member of a new cluster, ``name`` with the
    peer URL ``peer``. Its revisions continue far ahead of the snapshot's, and all before count as compacted, so that
    no client takes what it had seen for newer. Raises StateError, OSError."""
    os.makedirs(DATA, mode=0o700, exist_ok=True)
    if os.path.exists(f"{DATA}/member"):
        raise StateError(f"{DATA}/member exists, so nothing was restored: reset the node")
    shutil.rmtree(_RESTORED, ignore_errors=True)
    words = (
        "etcdutl", "snapshot", "restore", path, f"--data-dir={_RESTORED}", f"--name={name}",
        f"--initial-advertise-peer-urls={peer}", f"--initial-cluster={name}={peer}",
        f"--initial-cluster-token=podnet-{os.urandom(8).hex()}", f"--bump-revision={BUMP}", "--mark-compacted",
    )  # fmt: skip
    _apart(image, words, [DATA, os.path.dirname(path)])
    os.rename(f"{_RESTORED}/member", f"{DATA}/member")
    shutil.rmtree(_RESTORED, ignore_errors=True)


def tools_version(image: str) -> str:
    """The version of etcd's tools in ``image``. Raises StateError."""
    match = re.search(r"etcdutl version: (\S+)", _apart(image, ("etcdutl", "version"), []))
    if not match:
        raise StateError(f"image {image}: etcdutl does not tell its version")
    return match[1]


def image() -> str:
    """The image of the node's etcd, by its manifest. Raises StateError where there is none."""
    return _of_manifest(r"^\s*image: (\S+)$", "image")


def _ctl(*words: str) -> str:
    endpoint = _of_manifest(r"--listen-client-urls=(https://[^,\s]+)", "--listen-client-urls")
    keys = (f"--cacert={PKI}/ca.crt", f"--cert={PKI}/healthcheck-client.crt", f"--key={PKI}/healthcheck-client.key")
    return _inside("etcdctl", *words, f"--endpoints={endpoint}", *keys)


def _of_manifest(pattern: str, what: str) -> str:
    match = re.search(pattern, files.read(MANIFEST) or "", re.MULTILINE)
    if not match:
        raise StateError(f"{MANIFEST} has no {what}, so this node has no etcd of kubeadm's")
    return match[1].strip("\"'")


def _inside(*words: str) -> str:
    """What a tool prints in the container of the running member."""
    found = _output(("crictl", "ps", "--name=^etcd$", "--state=Running", "--quiet")).split()
    if not found:
        raise StateError("container etcd is not running: journalctl -u kubelet; crictl ps --all --name etcd")
    return _output(("crictl", "exec", "--sync", f"--timeout={TIMEOUT}", found[0], *words))


def _apart(image: str, words: tuple[str, ...], directories: list[str]) -> str:
    """What a program of ``image`` prints in a container of its own, which sees the node's ``directories``."""
    mounts = [f"--mount=type=bind,src={each},dst={each},options=rbind:rw" for each in directories]
    return _output(("ctr", "--namespace=k8s.io", "run", "--rm", *mounts, image, f"podnet-{os.getpid()}", *words))


def _output(command: tuple[str, ...]) -> str:
    try:
        ran: subprocess.CompletedProcess[Any] = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT + 10, check=False
        )
    except FileNotFoundError:
        raise StateError(f"{command[0]} is not installed: run site.yml") from None
    except subprocess.TimeoutExpired:
        raise StateError(f"{command[0]} {command[1]}: no end within {TIMEOUT} s") from None
    if ran.returncode:
        raise StateError(f"{command[0]}: {(ran.stderr.strip() or ran.stdout.strip() or 'failed').splitlines()[-1]}")
    return str(ran.stdout)
