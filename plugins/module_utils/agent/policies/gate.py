# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's end of the gate that ADD passes (cni/exec/gate.py): a socket for root alone, one message each way."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import time
from typing import Any

from .attachments import Attachment, read

BACKLOG = 4096
LARGEST = 1 << 16


class Request:
    """One call's question. ``attachment``: None for a DEL."""

    def __init__(self, connection: socket.socket, name: str, attachment: Attachment | None) -> None:
        self.connection = connection
        self.name = name
        self.attachment = attachment
        self.since = time.monotonic()

    def allow(self) -> None:
        """The pod's policies are in force."""
        self._answer({})

    def refuse(self, error: str) -> None:
        """ADD fails with "try again later"."""
        self._answer({"error": error})

    def leave_to_caller(self, reason: str) -> None:
        """Nothing is known here: ADD decides as it does without podnetd."""
        self._answer({"away": reason})

    def _answer(self, told: dict[str, str]) -> None:
        with contextlib.suppress(OSError):  # the caller was killed
            self.connection.send(json.dumps(told).encode())
        self.connection.close()


class Gate:
    """Listens at ``path``."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._poll = select.epoll()
        self._listener: socket.socket | None = None
        self._connections: dict[int, socket.socket] = {}

    def open(self) -> None:
        """Starts to listen; replaces an older socket in one step. Raises OSError."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        fresh = f"{self.path}.{os.getpid()}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        mask = os.umask(0o177)
        try:
            listener.bind(fresh)
        finally:
            os.umask(mask)
        listener.listen(BACKLOG)
        os.rename(fresh, self.path)
        self._listener = listener
        self._poll.register(listener, select.EPOLLIN)

    def fileno(self) -> int:
        """Readable when a call has asked."""
        return self._poll.fileno()

    def read(self) -> list[Request]:
        """The questions that have come."""
        assert self._listener is not None
        found = []
        for file, _event in self._poll.poll(0):
            if file == self._listener.fileno():
                self._accept(self._listener)
        for file, connection in list(self._connections.items()):
            try:
                message = connection.recv(LARGEST)
            except BlockingIOError:
                continue
            except OSError:
                message = b""
            self._poll.unregister(file)
            del self._connections[file]
            request = _request(connection, message)
            if request:
                found.append(request)
            else:
                connection.close()
        return found

    def close(self) -> None:
        """Stops listening. The socket's file stays: who connects is refused at once."""
        for each in (self._listener, *self._connections.values()):
            if each:
                each.close()
        self._poll.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                connection.setblocking(False)
                self._connections[connection.fileno()] = connection
                self._poll.register(connection, select.EPOLLIN)


def _request(connection: socket.socket, message: bytes) -> Request | None:
    """None for what is no question, the caller's end included."""
    try:
        told: Any = json.loads(message)
        if "leave" in told:
            return Request(connection, str(told["leave"]), None)
        return Request(connection, str(told["enter"]), read(told["enter"], told))
    except (ValueError, TypeError, KeyError):
        return None
