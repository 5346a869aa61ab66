# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP/1.1 over TLS (RFC 9112): what list, watch and patch of the Kubernetes API need of it.

``http.client`` would do, but costs podnetd 2 MiB of the 25 that it may have (it imports ``email``).
"""

from __future__ import annotations

import io
import socket
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from typing import cast

#: Seconds for connecting, for the handshake and for each write.
PATIENCE = 10.0
#: Bytes that a read asks for, and the most that a line of a header or of a chunk's size may have.
PIECE, LINE = 65536, 65536
#: Bytes of a TLS record at most (RFC 8446 section 5.1): more do not come at once.
RECORD = 16384
#: The most fields of a header, and forewords of an answer.
FIELDS = 200
#: A connection whose other end is gone is noticed within IDLE + COUNT * INTERVAL seconds.
IDLE, INTERVAL, COUNT = 15, 5, 3


class HttpError(OSError):
    """What came back is not HTTP, or ended too early."""


class Response:
    """The head of an answer; its body is read by ``pieces``, once."""

    def __init__(self, connection: Connection, status: int, headers: dict[str, str], body: bool) -> None:
        self.connection = connection
        self.status = status
        self.headers = headers
        self.body = body

    def pieces(self, idle: float, whole: float | None = None) -> Iterator[bytes]:
        """The body as it comes, decompressed.

        ``idle``: seconds without data after which the server counts as gone; ``whole``: seconds for all of it. Raises
        OSError (TimeoutError, HttpError).
        """
        self.connection.patience(idle)
        pieces = self._timed(idle, whole)
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
            raise HttpError(f"the answer is not gzip: {error}") from None

    def read(self, idle: float, most: int) -> bytes:
        """The body's first ``most`` bytes; a connection that has more to say is not used again."""
        kept = b""
        for piece in self.pieces(idle, idle):
            kept += piece
            if len(kept) > most:
                self.connection.reusable = False
                return kept[:most]
        return kept

    def _timed(self, idle: float, whole: float | None) -> Iterator[bytes]:
        until = time.monotonic() + whole if whole else None
        try:
            for piece in self._raw():
                yield piece
                if until and time.monotonic() > until:
                    raise HttpError(f"the answer takes longer than {whole:.0f} s")
        except TimeoutError:
            raise TimeoutError(f"no data from the server for {idle:.0f} s") from None

    def _raw(self) -> Iterator[bytes]:
        source = self.connection
        if not self.body:
            return
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := _number(source.line().partition(b";")[0].decode("latin-1"), 16, "size of a chunk"):
                yield from source.some(size)
                if source.line():
                    raise HttpError("a chunk is longer than it says")
            if source.line():  # after the last chunk: trailers, of which the API has none
                raise HttpError("a chunk is longer than it says")
        elif "content-length" in self.headers:
            yield from source.some(_number(self.headers["content-length"], 10, "Content-Length"))
        else:
            source.reusable = False
            while piece := source.piece():
                yield piece


def _encoded(host: str) -> bytes:
    """A host's name for the resolver and TLS, which would load the codec idna for any text: a quarter of a megabyte."""
    return host.encode("ascii" if host.isascii() else "idna")


class Connection:
    """One connection; requests follow each other on it, each answer read to its end before the next.

    Raises OSError (ssl.SSLError among them) when there is no such server or its certificate is not the expected one.
    ``received`` counts the bytes of all answers as they were on the wire, inside TLS.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext, name: str) -> None:
        self.host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.received = 0
        self.reusable = True
        plain = socket.create_connection((cast(str, _encoded(host)), port), PATIENCE)
        try:
            _keep_alive(plain)
            self._socket = context.wrap_socket(plain, server_hostname=_encoded(name))
        except BaseException:
            plain.close()
            raise
        self._file = cast(io.BufferedReader, self._socket.makefile("rb", RECORD))

    def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"", idle: float = 30.0
    ) -> Response:
        """Sends a request and reads the head of its answer."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method not in ("GET", "DELETE"):
            lines.append(f"Content-Length: {len(body)}")
        self.patience(PATIENCE)
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        self.patience(idle)
        try:
            for _foreword in range(FIELDS):  # 1xx
                status = _status(self.line())
                fields = self._fields()
                if status >= 200:
                    break
            else:
                raise HttpError(f"more than {FIELDS} forewords (status 1xx)")
        except TimeoutError:
            raise TimeoutError(f"no data from the server for {idle:.0f} s") from None
        if fields.get("connection", "").lower() == "close":
            self.reusable = False
        return Response(self, status, fields, method != "HEAD" and status not in (204, 304))

    def patience(self, seconds: float) -> None:
        """From now on a read or write fails that takes longer."""
        self._socket.settimeout(seconds)

    def line(self) -> bytes:
        """The next line without its end."""
        line = self._file.readline(LINE)
        self.received += len(line)
        if not line.endswith(b"\n"):
            raise HttpError("response line exceeds 64 KiB: not HTTP" if len(line) == LINE else _ENDED)
        return line.rstrip(b"\r\n")

    def some(self, size: int) -> Iterator[bytes]:
        """The next ``size`` bytes in pieces."""
        while size:
            piece = self.piece(size)
            if not piece:
                raise HttpError(_ENDED)
            size -= len(piece)
            yield piece

    def piece(self, most: int = RECORD) -> bytes:
        """What has come, or what comes next; b"" at the connection's end."""
        piece = self._file.read1(min(most, RECORD))
        self.received += len(piece)
        return piece

    def interrupt(self) -> None:
        """From another thread: whatever waits for this connection finds it at its end."""
        try:
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # without TLS's own farewell, which would wait
        except OSError:
            pass  # it has ended already

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _fields(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        for _field in range(FIELDS):
            line = self.line()
            if not line:
                return fields
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise HttpError(f"{line[:80]!r} is not a header field")
            fields[name.strip().lower()] = value.strip()
        raise HttpError(f"more than {FIELDS} header fields")


_ENDED = "the server closed the connection in the middle of an answer"


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
        raise HttpError(f"{line[:80]!r} is not HTTP/1.1")
    return _number(words[1].decode("latin-1"), 10, "status")


def _number(text: str, base: int, what: str) -> int:
    try:
        number = int(text.strip(), base)
    except ValueError:
        number = -1
    if number < 0:
        raise HttpError(f"{what}: {text[:40]!r} is not a number")
    return number
