# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An administrator of the stand-in API server, by the standard library's HTTP client: nothing of ours."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAM = Path(__file__).with_name("apiserver.py")


class Admin:
    """Speaks to the server at ADDRESS:PORT with the certificates in DIRECTORY; ``netns`` is the path of the namespace
    that it listens in, None for this one."""

    def __init__(self, directory: Path, address: str, port: int, netns: str | None = None) -> None:
        self.directory, self.address, self.port, self.netns = directory, address, port, netns
        self.server = f"https://{address}:{port}"

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json", who: str = "admin"):
        """(status, decoded answer)."""
        context = ssl.create_default_context(cafile=str(self.directory / "ca.crt"))
        context.load_cert_chain(self.directory / f"{who}.crt", self.directory / f"{who}.key")
        with self._inside():
            connection = http.client.HTTPSConnection(self.address, self.port, context=context, timeout=60)
            connection.connect()
        with contextlib.closing(connection):
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": kind} if data else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")

    def do(self, method: str, path: str, body: object = None, kind: str = "application/json"):
        """The decoded answer; fails unless it is a good one."""
        status, answer = self.call(method, path, body, kind)
        assert status < 300, (status, answer)
        return answer

    def node(self, name: str) -> dict:
        """A Node."""
        return self.do("GET", f"/api/v1/nodes/{name}")

    def patch(self, name: str, body: dict) -> dict:
        """A merge patch of a Node."""
        return self.do("PATCH", f"/api/v1/nodes/{name}", body, "application/merge-patch+json")

    def standin(self, what: str, **body):
        """One of the stand-in's own commands."""
        return self.do("GET" if what == "stats" else "POST", f"/standin/{what}", body or None)

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        if self.netns is None:
            yield
            return
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open(self.netns) as there:
            assert libc.setns(there.fileno(), 0x40000000) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(home.fileno(), 0x40000000) == 0


@contextlib.contextmanager
def serving(
    directory: Path, address: str, port: int = 6443, netns: str | None = None, bookmarks: float = 60
) -> Iterator[tuple[Admin, subprocess.Popen]]:
    """A server that runs meanwhile, and its administrator."""
    inside = ["nsenter", f"--net={netns}", "--"] if netns else []
    words = [
        *inside,
        sys.executable,
        PROGRAM,
        directory,
        "--address",
        address,
        "--port",
        port,
        "--bookmarks",
        bookmarks,
    ]
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        if "serving" not in line:
            raise RuntimeError("the stand-in API server did not start")
        yield Admin(directory, address, port, netns), process
    finally:
        process.kill()
        process.wait()
        process.stdout and process.stdout.close()


def free_port() -> int:
    """A port of this host that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(tell, holds, seconds: float = 30):
    """What ``tell()`` says when ``holds`` of it. Raises AssertionError where that does not come."""
    end = time.monotonic() + seconds
    while not holds(told := tell()):
        assert time.monotonic() < end, f"not within {seconds} s: {told}"
        time.sleep(0.02)
    return told
