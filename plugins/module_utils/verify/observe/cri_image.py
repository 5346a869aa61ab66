# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image as the kubelet asks the container runtime for it: by the CRI, so that mirrors and proxies count as for pods.

Messages are those of k8s.io/cri-api, api.proto: ImageStatusRequest and PullImageRequest have an ImageSpec as field 1,
its name as that one's field 1; ImageStatusResponse has the image, if there is one, as field 1.
"""

from __future__ import annotations

from ...findings.codes import Code
from ...findings.finding import Finding
from . import grpc

SOCKET = "/run/containerd/containerd.sock"
STATUS = "/runtime.v1.ImageService/ImageStatus"
PULL = "/runtime.v1.ImageService/PullImage"
_IMAGE = 1


def is_present(path: str, image: str) -> bool:
    """Whether the runtime at the Unix socket ``path`` has ``image``. Raises OSError where it does not answer."""
    try:
        return any(number == _IMAGE for number, _value in grpc.fields(grpc.call(path, STATUS, _request(image))))
    except ValueError as error:
        raise OSError(f"{path} does not answer {STATUS}: {error}") from None


def pull(path: str, image: str, node: str, patience: float) -> Finding | None:
    """Has the runtime of ``node`` pull ``image``; the finding where it did not within ``patience`` seconds. Why is in
    its log: the call has no answer then."""
    try:
        grpc.call(path, PULL, _request(image), patience)
    except OSError:
        return Finding(Code.IMAGE_UNAVAILABLE, node, image)
    return None


def _request(image: str) -> bytes:
    return _field(_field(image.encode()))


def _field(data: bytes) -> bytes:
    """Field 1 of a message, with its length (protobuf.dev, encoding)."""
    length, size = len(data), bytearray()
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return b"\x0a" + bytes([*size, length]) + data
