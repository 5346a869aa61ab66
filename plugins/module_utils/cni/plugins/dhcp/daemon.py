# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""podnet-dhcp: requests leases for pods, renews them while the pods live, and releases them (RFC 2131).

The plugin asks over a Unix socket, one line of JSON for each request and answer (plugin.py). Each lease has a thread,
which enters the pod's namespace only to send, so that it does not keep a deleted namespace alive. Leases are stored in
files beside the socket, and continue when the daemon restarts.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import Any

from ....ipam.files import make_directory
from ...spec.errors import INTERNAL, TRY_AGAIN, CniError
from . import plugin
from .lease import Lease, Settings, Silence, key_of
from .socket import Gone

log = logging.getLogger("podnet-dhcp")

#: Seconds until the next caller is accepted after one could not be.
PAUSE = 0.2


class Daemon:
    """All leases, and the socket on which plugins request them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.leases: dict[tuple[str, str, str], Lease] = {}
        self.lock = threading.Lock()

    def load(self) -> None:
        """Continues the stored leases."""
        for directory, _directories, names in os.walk(self.settings.socket + ".leases"):
            for name in names:
                path = os.path.join(directory, name)
                try:
                    with open(path, encoding="utf-8") as file:
                        content = json.load(file)
                    lease = Lease(self.settings, content["wanted"], self.gone)
                    lease.read(content)
                except OSError as error:  # unreadable: the next daemon may read it
                    log.warning("%s: %s", path, error)
                    continue
                except (ValueError, KeyError, TypeError) as error:
                    log.warning("%s: %s", path, error)
                    os.unlink(path)
                    continue
                self.leases[key_of(lease.wanted)] = lease
                log.info("%s: goes on with %s", lease.name, lease.address)
                lease.start()

    def gone(self, lease: Lease) -> None:
        """Removes a lease whose pod is gone."""
        with self.lock:
            if self.leases.get(key_of(lease.wanted)) is lease:
                del self.leases[key_of(lease.wanted)]
                lease._forget()

    def serve(self, listener: socket.socket) -> None:
        """Answers callers, each in its own thread, for ever."""
        while True:
            try:
                connection, _address = listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
            except (OSError, RuntimeError) as error:  # no descriptor, no thread: the leases go on meanwhile
                log.warning("podnet-dhcp: %s", error)
                time.sleep(PAUSE)

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            try:
                question = json.loads(stream.readline(1 << 20))
                answer = self._do(question)
            except CniError as error:
                answer = {"error": {"code": error.code, "msg": error.msg}}
            except Exception as error:
                log.exception("a question that cannot be answered")
                answer = {"error": {"code": INTERNAL, "msg": f"dhcp daemon: {type(error).__name__}: {error}"}}
            try:
                stream.write(json.dumps(answer).encode() + b"\n")
                stream.flush()
            except OSError:
                if "result" in answer:  # the caller is dead, and no one else knows the lease
                    self._drop(key_of(question))

    def _do(self, question: dict) -> dict:
        command = question["command"]
        if command == "ADD":
            return {"result": self._add(question)}
        if command == "DEL":
            self._drop(key_of(question))
        elif command == "CHECK":
            lease = self.leases.get(key_of(question))
            if lease is None:
                raise CniError(INTERNAL, "lease not found: " + "/".join(key_of(question)))
            if lease.withdrawn is not None:
                raise CniError(INTERNAL, f"the lease of {lease.address} is lost, and requested again")
            return {"address": lease.address}
        elif command == "GC":
            valid = {tuple(owner) for owner in question["valid"]}
            for key in list(self.leases):
                if key[0] == question["network"] and key[1:] not in valid:
                    self._drop(key)
        elif command != "STATUS":
            raise CniError(INTERNAL, f"dhcp daemon: unknown command {command!r}")
        return {}

    def _add(self, wanted: dict) -> dict:
        key = key_of(wanted)
        with self.lock:
            before = self.leases.pop(key, None)
            lease = self.leases[key] = Lease(self.settings, wanted, self.gone)
        if before:
            before.stop(release=False)
        try:
            result = lease.acquire(before.address.partition("/")[0] if before else "")
        except (Silence, Gone, OSError, ValueError) as error:
            self._drop(key)
            code = TRY_AGAIN if isinstance(error, Silence) else INTERNAL
            raise CniError(code, f"dhcp: failed to get a lease: {error}") from None
        if lease.ended.is_set():  # DEL came meanwhile
            lease.stop(release=True)
            raise CniError(INTERNAL, "dhcp: deleted while it was added")
        lease.start()
        return result

    def _drop(self, key: tuple[str, str, str]) -> None:
        with self.lock:
            lease = self.leases.pop(key, None)
        if lease:
            lease.stop(release=True)


def listen(settings: Settings) -> socket.socket:
    """The socket from systemd (sd_listen_fds(3)), or a new one for root alone. Raises OSError."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=3)
    make_directory(os.path.dirname(settings.socket))
    fresh = f"{settings.socket}.{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(fresh)
    finally:
        os.umask(mask)
    listener.listen(128)
    os.rename(fresh, settings.socket)  # replaces the socket of a dead daemon
    return listener


def _seconds(text: str) -> float:
    """ "10", "10s" or "1m30s"."""
    total, number = 0.0, ""
    for char in text:
        if char.isdigit() or char == ".":
            number += char
        elif char in "smh" and number:
            total += float(number) * {"s": 1, "m": 60, "h": 3600}[char]
            number = ""
        else:
            raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 90, 90s or 1m30s")
    return total + float(number or 0)


def main(words: list[str] | None = None) -> int:
    """The command podnet-dhcp; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="podnet-dhcp", description="Gets and keeps DHCP leases for pods (CNI plugin dhcp)."
    )

    def option(name: str, **more: Any) -> None:
        parser.add_argument(f"-{name}", f"--{name}", **more)  # Go's daemon has it with one "-", too

    parser.add_argument(
        "-socketpath", "--socketpath", default=plugin.SOCKET, help="where the plugin finds it (%(default)s)"
    )
    option("hostprefix", default="", help="where this host's / is, in a container")
    option("pidfile", help="a file to write the process ID to")
    option("broadcast", action="store_true", help="ask servers to answer by broadcast")
    option("timeout", type=_seconds, default=10.0, help="for a server's answer (10s)")
    parser.add_argument(
        "-resendmax", "--resendmax", type=_seconds, default=62.0, help="longest pause between two attempts (62s)"
    )
    parser.add_argument(
        "-resendtimeout", "--resendtimeout", type=_seconds, default=208.0, help="until an ADD gives up (208s)"
    )
    arguments = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    settings = Settings(arguments)
    daemon = Daemon(settings)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # leases are stored: the next daemon continues them
    try:
        listener = listen(settings)
        if arguments.pidfile:
            with open(arguments.pidfile, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
        daemon.load()
        daemon.serve(listener)
    except OSError as error:
        log.error("podnet-dhcp: %s", error)
    except KeyboardInterrupt:
        pass
    return 1
