# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pods and images of a container runtime, and their removal by the CRI, as the kubelet does it (k8s.io/cri-api,
api.proto). containerd's go by its own interface (cleanup.py), which serves while its CRI does not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from ..converge.plan import Change, StateError
from ..verify.observe import cri_image, grpc

_RUNTIME = "/runtime.v1.RuntimeService/"
_ITEMS = _IDENTIFIER = 1
#: Seconds that a pod may take to end: what Kubernetes gives it by default, and the network's removal.
PATIENCE = 60.0


def pods(socket: str) -> Iterator[Change]:
    """The pods of the runtime at the Unix socket ``socket``, none where none answers there."""
    for identifier in _identifiers(socket):
        yield Change("leftover", identifier, f"remove pod {identifier[:13]}", "", "", partial(_end, socket, identifier))


def images(socket: str) -> Iterator[Change]:
    """The runtime's images, none where it does not answer."""
    try:
        found = cri_image.identifiers(socket) if os.path.exists(socket) else []
    except OSError:
        found = []
    for identifier in found:
        removal = partial(cri_image.remove, socket, identifier)
        yield Change("leftover", identifier, f"remove image {identifier[:19]}", "", "", removal)


def _identifiers(socket: str) -> list[str]:
    if not os.path.exists(socket):
        return []
    try:
        answer = grpc.call(socket, f"{_RUNTIME}ListPodSandbox", b"")
    except OSError:
        return []
    items = [value for number, value in grpc.fields(answer) if number == _ITEMS]
    return [cri_image.text(dict(grpc.fields(bytes(item)))[_IDENTIFIER]) for item in items if isinstance(item, bytes)]


def _end(socket: str, identifier: str) -> None:
    """Stops and removes a pod. Raises StateError where the runtime refuses; why is in its log."""
    for call in ("StopPodSandbox", "RemovePodSandbox"):
        try:
            grpc.call(socket, _RUNTIME + call, cri_image.field(identifier.encode()), PATIENCE)
        except OSError as error:
            raise StateError(f"{call} of pod {identifier}: {error}") from None
