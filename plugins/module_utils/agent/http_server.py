# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the agent tells those who ask: HTTP/1.1 (RFC 9112), GET only, one answer a connection, within the loop.

A socket in the file system is for podnetctl, an address and port (``listen``) for probes and Prometheus. Nobody can
make the agent wait: sockets never block, a request is small, comes soon or is dropped, and there are few connections.
Python's http.server would take a thread and 8 MiB, a third of what the agent may have.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from . import exposition, health
from .metrics import families
from .settings import endpoint

if TYPE_CHECKING:
    from .daemon import Daemon

CONNECTIONS = 32
REQUEST = 4096
#: Seconds until a connection that is not done is closed.
PATIENCE = 5.0


class _Connection:
    """One client: what it has sent, what it is still to get."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.request = b""
        self.answer = b""
        self.until = time.monotonic() + PATIENCE


class Web:
    """Answers about ``daemon`` on the socket ``path`` and on ``listen``."""

    def __init__(self, daemon: Daemon, path: str, listen: str | None) -> None:
        self.daemon = daemon
        self.path = path
        self.listen = listen
        #: Who writes the metrics, in words.
        self.writer = "nobody asked yet"
        self._selector: selectors.BaseSelector | None = None
        self._listeners: dict[str, socket.socket] = {}
        #: Why nothing listens where it should, a line each.
        self.troubles: list[str] = []
        self._connections: dict[int, _Connection] = {}

    def open(self, selector: selectors.BaseSelector) -> None:
        """Begins to listen; where it can't now is told by ``troubles``, and ``retry`` tries again."""
        self._selector = selector
        self.retry()

    def retry(self) -> None:
        """Listens where nothing listens yet. That it cannot is no reason to leave the overlay alone."""
        assert self._selector is not None
        self.troubles = []
        for where, listen in ((self.path, self._local), (self.listen, self._outer)):
            if where and where not in self._listeners:
                try:
                    listener = listen(where)
                except OSError as error:
                    self.troubles.append(f"nobody is answered at {where}: {error.strerror or error}")
                    continue
                self._listeners[where] = listener
                self._selector.register(listener, selectors.EVENT_READ, partial(self._accept, listener))

    def busy(self) -> bool:
        """Whether there is a connection."""
        return bool(self._connections)

    def tidy(self) -> None:
        """Closes the connections that took too long."""
        now = time.monotonic()
        for connection in [each for each in self._connections.values() if each.until < now]:
            self._drop(connection)

    def close(self) -> None:
        """Listens no more."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        for listener in self._listeners.values():
            listener.close()
        if self.path in self._listeners:
            try:
                os.unlink(self.path)
            except OSError:
                pass
        self._listeners = {}

    def _local(self, path: str) -> socket.socket:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        fresh = f"{path}.{os.getpid()}"
        listener = self._listener(socket.AF_UNIX, fresh)
        os.chmod(fresh, 0o600)
        os.rename(fresh, path)  # a former agent's socket is in the way of nothing
        return listener

    def _outer(self, listen: str) -> socket.socket:
        address, port = endpoint(listen)
        return self._listener(socket.AF_INET6 if ":" in address else socket.AF_INET, (address, port))

    @staticmethod
    def _listener(family: int, address: Any) -> socket.socket:
        listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if family != socket.AF_UNIX:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(CONNECTIONS)
        except OSError:
            listener.close()
            raise
        return listener

    def _accept(self, listener: socket.socket) -> None:
        assert self._selector is not None
        try:
            client, _address = listener.accept()
        except OSError:
            return
        if len(self._connections) >= CONNECTIONS:  # who asks now comes before who has not asked for long
            self._drop(next(iter(self._connections.values())))
        client.setblocking(False)
        connection = _Connection(client)
        self._connections[client.fileno()] = connection
        self._selector.register(client, selectors.EVENT_READ, lambda: self._read(connection))
        self.daemon.wake_web()

    def _read(self, connection: _Connection) -> None:
        assert self._selector is not None
        try:
            got = connection.client.recv(REQUEST)
        except BlockingIOError:
            return
        except OSError:
            got = b""
        connection.request += got
        if not got or len(connection.request) > REQUEST:
            self._drop(connection)
        elif b"\r\n\r\n" in connection.request or b"\n\n" in connection.request:
            connection.answer = self._answer(connection.request)
            self._selector.modify(connection.client, selectors.EVENT_WRITE, lambda: self._write(connection))
            self._write(connection)

    def _write(self, connection: _Connection) -> None:
        try:
            sent = connection.client.send(connection.answer)
        except BlockingIOError:
            return
        except OSError:
            sent = len(connection.answer)
        connection.answer = connection.answer[sent:]
        if not connection.answer:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        assert self._selector is not None
        if self._connections.pop(connection.client.fileno(), None):
            self._selector.unregister(connection.client)
            connection.client.close()

    def _answer(self, request: bytes) -> bytes:
        first, *lines = request.decode("latin-1").splitlines()
        method, _space, rest = first.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        kind, status = "text/plain; charset=utf-8", "200 OK"
        if method not in ("GET", "HEAD"):
            status, body = "405 Method Not Allowed", b"GET only\n"
        elif path in ("/healthz", "/readyz"):
            wrong = (health.unhealthy if path == "/healthz" else health.unready)(self.daemon)
            status = "503 Service Unavailable" if wrong else status
            body = "".join(f"{line}\n" for line in wrong).encode() or b"ok\n"
        elif path == "/metrics":
            accept = ",".join(line[7:] for line in lines if line[:7].lower() == "accept:")
            former = self.writer
            self.writer, kind, body = exposition.render(families(self.daemon), accept)
            if self.writer != former:
                self.daemon.log.info(f"metrics are written by {self.writer}")
        elif path in ("/status", "/known"):
            kind = "application/json"
            told = health.status(self.daemon) if path == "/status" else health.known(self.daemon)
            body = json.dumps(told).encode() + b"\n"
        else:
            status, body = "404 Not Found", b"there are /healthz, /readyz, /metrics, /status and /known\n"
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        return head.encode() + (body if method != "HEAD" else b"")
