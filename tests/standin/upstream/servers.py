# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers: files over https by a thread of this process, Debian's docker-registry, and tinyproxy before both."""

from __future__ import annotations

import contextlib
import functools
import http.server
import pathlib
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from .archive import Archive


class _Files(http.server.SimpleHTTPRequestHandler):
    """Serves a directory and notes what was asked for."""

    protocol_version = "HTTP/1.1"  # apt from Debian 13 on takes no end of a connection for the end of a file

    def log_message(self, *_words) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]


@contextlib.contextmanager
def files(directory: pathlib.Path, address: str, certificates: pathlib.Path) -> Iterator[list[str]]:
    """Serves ``directory`` at https://address/; yields the paths that are asked for, as they come."""
    server = http.server.ThreadingHTTPServer((address, 443), functools.partial(_Files, directory=str(directory)))
    server.asked = []  # type: ignore[attr-defined]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Registry:
    """A registry at https://address:5000."""

    def __init__(self, address: str, certificates: pathlib.Path, log: pathlib.Path) -> None:
        self.address, self.certificates, self.log = address, certificates, log

    def push(self, archive: Archive, other_names: dict[str, str]) -> None:
        """Uploads the images of ``archive``; ``other_names`` are further names of some, as {the archive's: another}."""
        for name, path in archive.images().items():
            tag = name.replace(f":v{archive.built}", f":v{archive.release}")
            with tempfile.NamedTemporaryFile(suffix=".tar") as stamped:
                source = path
                if archive.renumbered and tag != name:
                    archive.stamp_image(path, pathlib.Path(stamped.name))
                    source = pathlib.Path(stamped.name)
                target = other_names.get(name, tag).partition("/")[2]
                self._copy(source, target)

    def _copy(self, source: pathlib.Path, target: str) -> None:
        command = ["skopeo", "--insecure-policy", "copy", f"--dest-cert-dir={self.certificates / 'trusted'}"]
        command += [f"docker-archive:{source}", f"docker://{self.address}:5000/{target}"]
        subprocess.run(command, check=True, capture_output=True)

    def pulled(self) -> set[str]:
        """The repositories of which a manifest was asked for, as the log tells."""
        lines = (line.partition("GET /v2/")[2] for line in self.log.read_text().splitlines())
        return {line.partition("/manifests/")[0] for line in lines if "/manifests/" in line}


@contextlib.contextmanager
def registry(directory: pathlib.Path, address: str, certificates: pathlib.Path) -> Iterator[Registry]:
    """Runs docker-registry with its content below ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    trusted = certificates / "trusted"
    trusted.mkdir(exist_ok=True)
    (trusted / "ca.crt").write_bytes((certificates / "ca.crt").read_bytes())
    configuration = directory / "config.yml"
    configuration.write_text(
        "version: 0.1\nlog: {level: warn}\n"
        f"storage: {{filesystem: {{rootdirectory: {directory / 'data'}}}}}\n"
        f"http:\n  addr: '{address}:5000'\n"
        f"  tls: {{certificate: {certificates / 'server.crt'}, key: {certificates / 'server.key'}}}\n"
    )
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(["docker-registry", "serve", configuration], stdout=output, stderr=output)
    try:
        _wait(address, 5000, process)
        yield Registry(address, certificates, log)
    finally:
        process.terminate()
        process.wait()


def proxy_url(address: str) -> str:
    """The URL of the proxy that runs at an address; it wants a user and a password."""
    return f"http://ops:batt%33ry@{address}:3128"


class Proxy(NamedTuple):
    """A proxy that runs, and its log."""

    log: pathlib.Path

    def asked(self) -> set[str]:
        """What connections were asked for, as HOST:PORT, and the URLs of plain HTTP."""
        return set(re.findall(r"Request .*: [A-Z]+ (\S+) HTTP", self.log.read_text()))


@contextlib.contextmanager
def proxy(directory: pathlib.Path, address: str, hosts: dict[str, str]) -> Iterator[Proxy]:
    """Runs tinyproxy at port 3128, which alone knows the addresses of ``hosts``."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "hosts").write_text("".join(f"{each} {name}\n" for name, each in hosts.items()))
    log = directory / "log"
    (directory / "tinyproxy.conf").write_text(
        f"Port 3128\nListen {address}\nTimeout 600\nMaxClients 100\nBasicAuth ops batt3ry\n"
        f'LogFile "{log}"\nLogLevel Connect\n'
    )
    script = 'mount --bind "$1/hosts" /etc/hosts && exec tinyproxy -d -c "$1/tinyproxy.conf"'
    process = subprocess.Popen(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh", directory], stdout=subprocess.DEVNULL
    )
    try:
        _wait(address, 3128, process)
        yield Proxy(log)
    finally:
        process.terminate()
        process.wait()


def _wait(address: str, port: int, process: subprocess.Popen) -> None:
    """Waits until the port accepts connections."""
    end = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"no server answers at {address}:{port}")
        time.sleep(0.1)
