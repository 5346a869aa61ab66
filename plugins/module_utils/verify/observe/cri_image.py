# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images as the kubelet asks the container runtime for them: by the CRI, so that mirrors and proxies count as for pods.

Messages are those of k8s.io/cri-api, api.proto: ImageStatusRequest and PullImageRequest have an ImageSpec as field 1,
its name as that one's field 1; ImageStatusResponse and ListImagesResponse have images as field 1.
"""

from __future__ import annotations

from ...findings.codes import Code
from ...findings.finding import Finding
from . import grpc

STATUS = "/runtime.v1.ImageService/ImageStatus"
PULL = "/runtime.v1.ImageService/PullImage"
LIST = "/runtime.v1.ImageService/ListImages"
REMOVE = "/runtime.v1.ImageService/RemoveImage"
_IMAGE = 1
_IDENTIFIER, _TAGS = 1, 2


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


def names(path: str) -> list[str]:
    """The names of the images that the runtime has, with registry and tag: Docker leaves out its own registry's.
    Raises OSError where it does not answer."""
    return [_full(text(value)) for image in _images(path) for number, value in image if number == _TAGS]


def identifiers(path: str) -> list[str]:
    """The images' identifiers. Raises OSError."""
    return [text(value) for image in _images(path) for number, value in image if number == _IDENTIFIER]


def remove(path: str, image: str) -> None:
    """Has the runtime remove ``image``. Raises OSError."""
    grpc.call(path, REMOVE, _request(image), 60)


def text(value: int | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _images(path: str) -> list[list[tuple[int, int | bytes]]]:
    try:
        answer = grpc.fields(grpc.call(path, LIST, b""))
        return [[*grpc.fields(value)] for number, value in answer if number == _IMAGE and isinstance(value, bytes)]
    except ValueError as error:
        raise OSError(f"{path} does not answer {LIST}: {error}") from None


def _full(name: str) -> str:
    """``busybox:1`` as ``docker.io/library/busybox:1`` (github.com/distribution/reference, normalize.go)."""
    registry, slash, _rest = name.partition("/")
    if slash and (set(registry) & {".", ":"} or registry == "localhost"):
        return name
    return f"docker.io/{name if slash else 'library/' + name}"


def _request(image: str) -> bytes:
    return field(field(image.encode()))


def field(data: bytes) -> bytes:
    """Field 1 of a message, with its length (protobuf.dev, encoding)."""
    length, size = len(data), bytearray()
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return b"\x0a" + bytes([*size, length]) + data
