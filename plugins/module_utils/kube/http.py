# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP/1.1 over TLS (RFC 9112): what list, watch and patch of the Kubernetes API need of it.

``http.client`` would do but for two things: it costs a node 2 MB (it brings ``email``), and a read that waits for the
next event of a watch could not be woken for other work.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping

#: Seconds for connecting, for the handshake and for each write.
PATIENCE = 10.0
#: Bytes that a read asks for, and the most that a line of a header or of a chunk's size may have.
PIECE, LINE = 65536, 65536
#: A connection whose other end is gone is noticed within IDLE + COUNT * INTERVAL seconds.
IDLE, INTERVAL, COUNT = 15, 5, 3


class HttpError(OSError):
    """What came back is no HTTP, or ended too early."""


class Waker:
    """Wakes a thread that waits: readable from ``wake`` to ``clear``. The thread itself may set ``at``, a time by
    ``time.monotonic`` at which it wakes as well, once."""

    def __init__(self) -> None:
        self.at: float | None = None
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        return self._reader

    def wake(self) -> None:
        try:
            os.write(self._writer, b"\0")
        except BlockingIOError:
            pass  # the pipe is full of wakes already

    def clear(self) -> None:
        try:
            while os.read(self._reader, 4096):
                pass
        except BlockingIOError:
            pass

    def wait(self, seconds: float) -> bool:
        """Waits until woken, ``seconds`` at most; whether it was woken."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        return bool(poll.poll(max(0, seconds) * 1000))

    def remind(self, at: float) -> None:
        """Have it wake at ``at`` as well, if not sooner."""
        self.at = at if self.at is None else min(at, self.at)

    def due(self) -> bool:
        """Whether ``at`` has come; forgets it then."""
        if self.at is None or time.monotonic() < self.at:
            return False
        self.at = None
        return True

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


class Response:
    """The head of an answer; its body is read by ``pieces``, once."""

    def __init__(self, connection: Connection, status: int, headers: dict[str, str], body: bool) -> None:
        self.connection = connection
        self.status = status
        self.headers = headers
        self.body = body

    def pieces(self, idle: float) -> Iterator[bytes]:
        """The body as it comes, decompressed. b"" means that the waker woke this thread: look what for, and go on.

        ``idle``: seconds of silence after which the server counts as gone. Raises OSError (TimeoutError, HttpError).
        """
        pieces = self._raw(idle)
        if self.headers.get("content-encoding") != "gzip":
            yield from pieces
            return
        unpack = zlib.decompressobj(wbits=31)
        try:
            for piece in pieces:
                yield unpack.decompress(piece, PIECE)  # a small piece may hold much
                while unpack.unconsumed_tail:
                    yield unpack.decompress(unpack.unconsumed_tail, PIECE)
            if not unpack.eof:
                raise HttpError("the answer ends in the middle of its gzip")
        except zlib.error as error:
            raise HttpError(f"the answer is no gzip: {error}") from None

    def read(self, idle: float, most: int) -> bytes:
        """The whole body, of which only the first ``most`` bytes are kept."""
        kept = b""
        for piece in self.pieces(idle):
            kept += piece[: most - len(kept)]
        return kept

    def _raw(self, idle: float) -> Iterator[bytes]:
        source = self.connection
        if not self.body:
            return
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            size = -1
            while size:
                while source.wait(idle) is None:
                    yield b""
                size = _chunk_size(source.line(idle))
                yield from source.some(size, idle)
                if source.line(idle):  # after the last chunk: trailers, of which the API has none
                    raise HttpError("a chunk is longer than it says")
        elif "content-length" in self.headers:
            yield from source.some(_number(self.headers["content-length"], 10, "Content-Length"), idle)
        else:
            source.reusable = False
            yield from source.rest(idle)


class Connection:
    """One connection; requests follow each other on it, each answer read to its end before the next.

    Raises OSError (ssl.SSLError among them) when there is no such server or it is not who it should be. ``waker`` wakes
    reads; see ``Response.pieces``. ``received`` counts the bytes of all answers as they were on the wire, inside TLS.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext, name: str, waker: Waker) -> None:
        self.host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.received = 0
        self.reusable = True
        self._waker = waker
        self._buffer = bytearray()
        self._heard = time.monotonic()
        plain = socket.create_connection((host, port), PATIENCE)
        try:
            _keep_alive(plain)
            self._socket = context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise
        self._socket.settimeout(0)
        self._news, self._news_or_wake = select.poll(), select.poll()
        self._news.register(self._socket, select.POLLIN)
        self._news_or_wake.register(self._socket, select.POLLIN)
        self._news_or_wake.register(waker, select.POLLIN)

    def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"", idle: float = 30.0
    ) -> Response:
        """Sends a request and reads the head of its answer."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method not in ("GET", "DELETE"):
            lines.append(f"Content-Length: {len(body)}")
        self._socket.settimeout(PATIENCE)
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        self._socket.settimeout(0)
        self._heard = time.monotonic()
        while True:
            status = _status(self.line(idle))
            fields = self._fields(idle)
            if status >= 200:  # 1xx are only a foreword
                break
        if fields.get("connection", "").lower() == "close":
            self.reusable = False
        return Response(self, status, fields, method != "HEAD" and status not in (204, 304))

    def line(self, idle: float) -> bytes:
        """The next line without its end. Wakes are left pending meanwhile."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LINE:
                raise HttpError("a line has no end: that is no HTTP")
            if not self._fill(idle, wakeable=False):
                raise HttpError("the server closed the connection in the middle of an answer")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.rstrip(b"\r")

    def some(self, size: int, idle: float) -> Iterator[bytes]:
        """The next ``size`` bytes in pieces, b"" for each wake."""
        while size:
            piece = bytes(self._buffer[:size])
            del self._buffer[:size]
            size -= len(piece)
            if piece:
                yield piece
            elif (filled := self._fill(idle)) is None:
                yield b""
            elif not filled:
                raise HttpError("the server closed the connection in the middle of an answer")

    def rest(self, idle: float) -> Iterator[bytes]:
        """Everything until the server closes, b"" for each wake."""
        while True:
            if self._buffer:
                piece = bytes(self._buffer)
                self._buffer.clear()
                yield piece
            elif (filled := self._fill(idle)) is None:
                yield b""
            elif not filled:
                return

    def wait(self, idle: float) -> bool | None:
        """Waits for the next byte of the answer: True when it is there, None when woken, False at the end."""
        return True if self._buffer else self._fill(idle)

    def close(self) -> None:
        self._socket.close()

    def _fields(self, idle: float) -> dict[str, str]:
        fields: dict[str, str] = {}
        while line := self.line(idle):
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or len(fields) > 200:
                raise HttpError(f"{line[:80]!r} is no header field")
            fields[name.strip().lower()] = value.strip()
        return fields

    def _fill(self, idle: float, wakeable: bool = True) -> bool | None:
        """Reads once into the buffer: True, False at the connection's end, None when woken instead."""
        while True:
            try:
                piece = self._socket.recv(PIECE)
            except ssl.SSLWantReadError:  # nothing yet, or something of TLS's own
                if self._wait(idle, wakeable):
                    return None
            except ssl.SSLEOFError:
                return False
            else:
                self._heard = time.monotonic()
                self.received += len(piece)
                self._buffer += piece
                return bool(piece)

    def _wait(self, idle: float, wakeable: bool) -> bool:
        """Waits until the socket is readable; True when woken before that."""
        silent = self._heard + idle
        until = silent if self._waker.at is None or not wakeable else min(silent, self._waker.at)
        poll = self._news_or_wake if wakeable else self._news
        ready = [number for number, _events in poll.poll(max(0, until - time.monotonic()) * 1000)]
        if self._waker.fileno() in ready:
            self._waker.clear()
            return True
        if not ready and wakeable and self._waker.due():
            return True
        if not ready and time.monotonic() >= silent:
            raise TimeoutError(f"no word from the server for {idle:.0f} s")
        return False


def _keep_alive(plain: socket.socket) -> None:
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, IDLE),
        (socket.TCP_KEEPINTVL, INTERVAL),
        (socket.TCP_KEEPCNT, COUNT),
        (socket.TCP_USER_TIMEOUT, (IDLE + COUNT * INTERVAL) * 1000),
    ):
        plain.setsockopt(socket.IPPROTO_TCP, option, value)


def _status(line: bytes) -> int:
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1."):
        raise HttpError(f"{line[:80]!r} is no HTTP/1.1")
    return _number(words[1].decode("latin-1"), 10, "status")


def _chunk_size(line: bytes) -> int:
    return _number(line.partition(b";")[0].decode("latin-1"), 16, "size of a chunk")


def _number(text: str, base: int, what: str) -> int:
    try:
        number = int(text.strip(), base)
    except ValueError:
        number = -1
    if number < 0:
        raise HttpError(f"{what}: {text[:40]!r} is no number")
    return number
