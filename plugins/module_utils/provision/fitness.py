# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a node can become, or is, the node that the cluster's variables say: found by looking, before anything is
changed."""

from __future__ import annotations

import os
import re
import select
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from ..converge import files
from ..ipam.prefix import parse_network_of, parse_prefix
from ..overlay import kernel
from ..overlay.config import ConfigError
from ..packets import icmp
from . import archive
from .releases import Release

#: TCP ports that Kubernetes' parts listen on (kubernetes.io, "Ports and Protocols").
NODE_PORTS = {10250: "kubelet"}
CONTROL_PLANE_PORTS = {
    2379: "etcd", 2380: "etcd", 6443: "kube-apiserver", 10257: "kube-controller-manager", 10259: "kube-scheduler",
}  # fmt: skip
#: Links that the pod network makes: their addresses lie in it rightly.
OURS = re.compile(r"cni\d+|cbr0|flannel(-v6)?\.\d+|flannel-wg(-v6)?|veth.*|kube-ipvs0")
_LISTEN = "0A"


def problems(
    found: dict[str, Any],
    release: Release,
    control_plane: bool,
    networks: dict[str, str],
    archive_directory: str | None,
    upgrade: bool = False,
    backend: str = "vxlan",
) -> Iterator[str]:
    """What in ``found`` (facts.gather with underlay's keys) stands against the node; ``networks`` are the pod and
    service networks by variable name; ``archive_directory`` is a Kubernetes archive that must be on the node, None for
    none; ``backend`` is the overlay's type."""
    if found["distribution"]["family"] == "other":
        yield (
            f"the node runs {found['distribution']['name'] or 'an unknown system'}: Debian, Ubuntu or one of the "
            "RHEL family is needed"
        )
    if found["joined"] and found["control_plane"] != control_plane:
        have, want = ("control plane", "worker") if found["control_plane"] else ("worker", "control plane")
        yield f"groups: the node is a {have} already and is to be a {want}: run playbooks/reset.yml on it first"
    kubelet = found["kubelet"]
    if upgrade:
        yield from _step(found, release)
    elif found["joined"] and kubelet and kubelet.split(".")[:2] != ["1", str(release.minor)]:
        yield (
            f"kubernetes_release: the node runs {kubelet} and {release.name} is wanted: that is for "
            "playbooks/upgrade.yml"
        )
    try:
        kernel.need(backend)
    except ConfigError as error:
        yield f"overlay_{error}".replace("overlay_backend.type", "overlay_backend: type", 1)
    if archive_directory:
        try:
            content = archive.read(archive_directory)
            if not found["joined"]:
                yield from (f"kubernetes_archive: {wrong}" for wrong in archive.verify(content))
        except archive.ArchiveError as error:
            yield f"kubernetes_archive: {error}"
    yield from _overlaps(found["interfaces"], networks)
    if not found["joined"]:
        ports = {**NODE_PORTS, **(CONTROL_PLANE_PORTS if control_plane else {})}
        for port in sorted(listening() & set(ports)):
            yield (
                f"something listens on TCP port {port}, which {ports[port]} needs: stop it, or run playbooks/reset.yml"
            )


def _step(found: dict[str, Any], release: Release) -> Iterator[str]:
    """Whether the node's release can be upgraded to ``release``: kubeadm goes one minor release at a time, never
    back."""
    kubelet = found["kubelet"]
    if not found["joined"] or not kubelet:
        yield "the node is in no cluster that could be upgraded: run playbooks/site.yml"
        return
    minor, patch = (int(part) for part in kubelet.split(".")[1:3])
    if not minor <= release.minor <= minor + 1 or (release.minor == minor and (release.patch or patch) < patch):
        yield (
            f"kubernetes_release: from the node's {kubelet} there is no way to {release.name}: "
            f"give 1.{minor} (the same patch release or a later one) or 1.{minor + 1}"
        )


def _overlaps(interfaces: dict[str, Any], networks: dict[str, str]) -> Iterator[str]:
    for variable, text in networks.items():
        network = parse_prefix(text)
        for name, interface in interfaces.items():
            if name == "lo" or OURS.fullmatch(name):
                continue
            for each in interface["addresses"]:
                if network.overlaps(parse_network_of(each)[0]):
                    yield (
                        f"{variable}: {network} overlaps {each} on the node's interface {name}: give a network "
                        "that no node is in"
                    )


def listening() -> set[int]:
    """The TCP ports on which something listens."""
    rows = [
        line.split()
        for path in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in (files.read(path) or "").splitlines()[1:]
    ]
    return {int(row[1].rsplit(":", 1)[1], 16) for row in rows if row[3] == _LISTEN}


def unanswered(addresses: Iterable[str], seconds: float = 1.0, attempts: int = 3) -> list[str]:
    """Those of ``addresses`` that answer none of ``attempts`` echo requests, each waited for that many ``seconds``."""
    numbers = dict(enumerate(addresses))
    waiting = {address: number for number, address in numbers.items()}
    identifier = os.getpid() & 0xFFFF
    with ExitStack() as stack:
        # a socket of a family that no address is of may be more than the kernel offers
        echoes = {family: stack.enter_context(_Echo(family)) for family in {_family(address) for address in waiting}}
        for _attempt in range(attempts):
            for address, number in waiting.items():
                echoes[_family(address)].send(address, identifier, number)
            end = time.monotonic() + seconds
            while waiting and (left := end - time.monotonic()) > 0:
                for echo in select.select(list(echoes.values()), [], [], left)[0]:
                    answered = echo.receive(identifier, len(numbers))
                    if answered is not None:
                        waiting.pop(numbers[answered], None)
            if not waiting:
                break
    return list(waiting)


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class _Echo:
    """A raw socket for echo messages of one family."""

    def __init__(self, family: int) -> None:
        self.family = family
        self.socket = socket.socket(family, socket.SOCK_RAW, icmp.PROTOCOL[family])
        self.socket.setblocking(False)

    def __enter__(self) -> _Echo:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.socket.close()

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, address: str, identifier: int, sequence: int) -> None:
        try:
            self.socket.sendto(icmp.request(self.family, identifier, sequence, 84), (address, 0))
        except OSError:
            pass  # no route to it, or a full queue: it stays unanswered

    def receive(self, identifier: int, count: int) -> int | None:
        """The sequence number that the next message answers, None if it answers none of ours."""
        try:
            packet = self.socket.recv(2048)
        except OSError:
            return None
        return next((number for number in range(count) if icmp.is_reply(self.family, packet, identifier, number)), None)
