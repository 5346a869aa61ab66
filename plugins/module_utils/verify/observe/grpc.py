# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One unary gRPC call over a Unix socket, as the container runtime's interface (CRI) takes it.

gRPC is a protocol buffer in HTTP/2 (RFC 9113, grpc/doc/PROTOCOL-HTTP2.md). For one small call on a connection of its
own, of which only the answer's message matters, some frames are all that is needed; a library of 20 MB on each node is
not. The trailers' status is not read: where the call failed, no message comes.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS = 4
#: The answer's greatest size in bytes, and the window that the server gets for it.
MOST = 4 << 20
INITIAL_WINDOW_SIZE = 4  # a SETTINGS parameter
#: Entries of the static table (RFC 7541, appendix A): ":method: POST", ":scheme: http".
_POST, _HTTP = b"\x83", b"\x86"


def call(path: str, method: str, message: bytes, patience: float = 5.0) -> bytes:
    """What the server at the Unix socket ``path`` answers to ``method`` ("/package.Service/Method"); both messages
    are encoded protocol buffers.

    Raises OSError where nothing answers within ``patience`` seconds, or not with one message.
    """
    deadline = time.monotonic() + patience
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(patience)
        connection.connect(path)
        settings = struct.pack(">HI", INITIAL_WINDOW_SIZE, MOST)
        request = struct.pack(">BI", 0, len(message)) + message
        connection.sendall(
            PREFACE
            + _frame(SETTINGS, 0, 0, settings)
            + _frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", MOST))
            + _frame(HEADERS, END_HEADERS, 1, _headers(method))
            + _frame(DATA, END_STREAM, 1, request)
        )
        answer = b"".join(_answer(connection, deadline))
    if len(answer) < 5 or answer[0] or len(answer) - 5 != int.from_bytes(answer[1:5], "big"):
        raise OSError(f"{path} does not answer {method}")
    return answer[5:]


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of an encoded protocol buffer: (number, value), bytes where the length is given. Raises ValueError."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"field {number} has wire type {kind}")
        if at + length > len(message):
            raise ValueError(f"field {number} is cut off")
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number, and where the next thing begins."""
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a number has no end")
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _headers(method: str) -> bytes:
    """The request's header fields, without compression (RFC 7541, 6.2.2)."""
    named = {":path": method, ":authority": "localhost", "content-type": "application/grpc", "te": "trailers"}
    texts = [text.encode() for pair in named.items() for text in pair]
    literals = [bytes([len(text)]) + text for text in texts]  # each shorter than 127 bytes
    return _POST + _HTTP + b"".join(b"\0" + name + value for name, value in zip(literals[::2], literals[1::2]))


def _answer(connection: socket.socket, deadline: float) -> Iterator[bytes]:
    """The answer's data, until the server has ended its side."""
    size = 0
    while True:
        head = _read(connection, 9, deadline)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
        size += length
        if size > MOST:
            raise OSError(f"the answer has more than {MOST} bytes")
        payload = _read(connection, length, deadline)
        if kind in (SETTINGS, PING) and not flags & ACK:
            connection.sendall(_frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == DATA and stream == 1:
            yield payload
        if kind in (GOAWAY, RST_STREAM) or (kind in (DATA, HEADERS) and stream == 1 and flags & END_STREAM):
            return


def _read(connection: socket.socket, length: int, deadline: float) -> bytes:
    found = b""
    while len(found) < length:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the server does not answer in time")
        connection.settimeout(left)
        part = connection.recv(length - len(found))
        if not part:
            raise ConnectionResetError("the server closed the connection")
        found += part
    return found
