# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTP/1.1 server (RFC 9112) inside the agent's loop: GET only, one answer a connection, given routes by its owner.

A client cannot make the agent wait: sockets never block, a request is small and comes soon or is dropped, and there are
few connections. Python's http.server would take a thread and 8 MiB, a third of what the agent may have.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Callable, NamedTuple

from ..ipam.files import make_directory

CONNECTIONS = 32
REQUEST = 4096
#: Seconds until a connection that is not done is closed.
PATIENCE = 5.0
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


class Answer(NamedTuple):
    """``status`` as in "200 OK", ``kind`` the content type."""

    status: str
    kind: str
    body: bytes


#: From a path to what answers it, given the request's Accept; one that ends with a slash answers all below it, given
#: the rest of the path.
Routes = Mapping[str, Callable[[str], Answer]]


class _Connection:
    """One client: the routes that it may ask for, what it has sent, what it still gets."""

    def __init__(self, client: socket.socket, routes: Routes) -> None:
        self.client = client
        self.routes = routes
        self.request = b""
        self.answer = b""
        self.until = time.monotonic() + PATIENCE


class HttpServer:
    """Serves routes by listener: a path of a Unix socket, or "ADDRESS:PORT". ``accepted`` is called for each
    connection."""

    def __init__(self, listeners: Mapping[str, Routes], accepted: Callable[[], None]) -> None:
        self.listeners = listeners
        self.accepted = accepted
        #: Why nothing listens where it should, by listener.
        self.errors: dict[str, str] = {}
        self._selector: selectors.BaseSelector | None = None
        self._open: dict[str, socket.socket] = {}
        self._sockets: dict[str, tuple[int, int]] = {}
        self._connections: dict[int, _Connection] = {}
        #: Listeners that are not waited for, since no descriptor was left for who asks.
        self._resting: dict[socket.socket, Routes] = {}

    def open(self, selector: selectors.BaseSelector) -> None:
        """Starts to listen; ``errors`` has what failed, and ``retry`` tries again."""
        self._selector = selector
        self.retry()

    def retry(self) -> None:
        """Listens where nothing listens yet. That it cannot is no reason to leave the overlay alone."""
        assert self._selector is not None
        self.errors = {}
        for where, routes in self.listeners.items():
            if where in self._open:
                continue
            try:
                listener = self._unix(where) if where.startswith("/") else _tcp(where)
            except OSError as error:
                self.errors[where] = error.strerror or str(error)
                continue
            self._open[where] = listener
            self._wait_for(listener, routes)

    def busy(self) -> bool:
        """Whether ``tidy`` has something to do soon."""
        return bool(self._connections or self._resting)

    def tidy(self) -> None:
        """Closes the connections that took too long, and waits for further ones where it rested."""
        for listener, routes in self._resting.items():
            self._wait_for(listener, routes)
        self._resting = {}
        now = time.monotonic()
        for connection in [each for each in self._connections.values() if each.until < now]:
            self._drop(connection)

    def close(self) -> None:
        """Stops listening; a socket that another agent has put in our socket's place stays."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        for listener in self._open.values():
            listener.close()
        for path, made in self._sockets.items():
            try:
                if _identity(path) == made:
                    os.unlink(path)
            except OSError:
                pass
        self._open, self._sockets, self._resting = {}, {}, {}

    def _unix(self, path: str) -> socket.socket:
        """A socket at ``path``, for root alone. A dead agent's socket is replaced, a living one's is not."""
        make_directory(os.path.dirname(path))
        if _answers(path):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
        fresh = f"{path}.{os.getpid()}"
        mask = os.umask(0o177)
        try:
            listener = _listener(socket.AF_UNIX, fresh)
        finally:
            os.umask(mask)
        os.rename(fresh, path)
        self._sockets[path] = _identity(path)
        return listener

    def _wait_for(self, listener: socket.socket, routes: Routes) -> None:
        assert self._selector is not None
        self._selector.register(listener, selectors.EVENT_READ, partial(self._accept, listener, routes))

    def _accept(self, listener: socket.socket, routes: Routes) -> None:
        assert self._selector is not None
        try:
            client, _address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                # who asks stays in the queue, and the selector would report that without end
                self._selector.unregister(listener)
                self._resting[listener] = routes
                self.accepted()
            return
        client.setblocking(False)
        while len(self._connections) >= CONNECTIONS:
            self._drop(next(iter(self._connections.values())))
        connection = self._connections[client.fileno()] = _Connection(client, routes)
        self._selector.register(client, selectors.EVENT_READ, lambda: self._read(connection))
        self.accepted()

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
            connection.answer = _answer(connection.routes, connection.request)
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


def endpoint(listen: str) -> tuple[str, int]:
    """``"127.0.0.1:9441"`` or ``"[::1]:9441"`` as address and port. Raises ValueError."""
    address, colon, port = listen.rpartition(":")
    if not (colon and address and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f'{listen!r} is not an address with a port, such as "127.0.0.1:9441"')
    return address.strip("[]"), int(port)


def _answer(routes: Routes, request: bytes) -> bytes:
    first, *lines = request.decode("latin-1").splitlines()
    method, _space, rest = first.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    accept = ",".join(line[7:] for line in lines if line[:7].lower() == "accept:")
    if method not in ("GET", "HEAD"):
        answer = Answer("405 Method Not Allowed", TEXT, b"GET only\n")
    elif path in routes:
        answer = routes[path](accept)
    elif prefix := next((each for each in routes if len(each) > 1 and each[-1] == "/" and path.startswith(each)), ""):
        answer = routes[prefix](path[len(prefix) :])
    else:
        answer = Answer("404 Not Found", TEXT, f"paths: {', '.join(routes)}\n".encode())
    status, kind, body = answer
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + (body if method != "HEAD" else b"")


def _tcp(listen: str) -> socket.socket:
    address, port = endpoint(listen)
    return _listener(socket.AF_INET6 if ":" in address else socket.AF_INET, (address, port))


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


def _answers(path: str) -> bool:
    """Whether a process listens on the Unix socket ``path``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as client:
        try:
            client.connect(path)
        except BlockingIOError:
            return True  # its queue is full
        except OSError:
            return False
        return True


def _identity(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino
