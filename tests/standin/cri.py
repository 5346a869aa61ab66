# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for containerd's CRI: it answers Status in frames and messages as containerd 2.3.7 does.

tests/integration/verify/checks/test_containerd.py has the same asked of a real one.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import struct
import threading
from pathlib import Path

LOOPBACK = '{"cniVersion": "0.3.1", "name": "cni-loopback", "plugins": [{"type": "loopback"}]}'
TRAILERS = b"\x40\x0bgrpc-status\x010"  # literal, with indexing
PREFACE = 24


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found, number = found + bytes([number & 0x7F | 0x80]), number >> 7
    return found + bytes([number])


def text(number: int, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def condition(name: str, error: str) -> bytes:
    true = b"" if error else b"\x10\x01"
    return text(1, text(1, name) + true + (text(3, "NotReady") + text(4, error) if error else b""))


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


class Cri:
    """Listens at ``path``. ``bin_dirs`` and ``conf_dir`` are its configuration, the network loaded is the file
    ``conflist`` as it is at each request, or ``loaded`` (a text) where that is not None; ``error``: why NetworkReady is
    false; ``frames``: answers these bytes instead."""

    def __init__(self, path: Path, conflist: Path) -> None:
        self.bin_dirs = ["/opt/podnet/current/bin"]
        self.conf_dir = "/etc/cni/net.d"
        self.conflist = conflist
        self.loaded: str | None = None
        self.error = ""
        self.frames: bytes | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        cri = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.rfile.read(PREFACE)
                while True:
                    head = self.rfile.read(9)
                    if len(head) < 9:
                        return
                    self.rfile.read(int.from_bytes(head[:3], "big"))
                    if head[3] == 0 and head[4] & 1:  # the request's data has come
                        break
                self.wfile.write(cri.frames if cri.frames is not None else cri.answer())
                self.connection.shutdown(socket.SHUT_WR)
                self.rfile.read()  # what acknowledges our frames

        self.server = socketserver.ThreadingUnixStreamServer(os.fspath(path), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def message(self) -> bytes:
        """StatusResponse."""
        ours = self.loaded if self.loaded is not None else self.conflist.read_text() if self.conflist.exists() else ""
        sources = [each for each in (LOOPBACK, ours) if each]
        networks = [{"Config": {"Name": json.loads(each)["name"], "Source": each}} for each in sources]
        config = {"PluginDirs": self.bin_dirs, "PluginConfDir": self.conf_dir, "Networks": networks}
        info = {"golang": '"go1.26"', "cniconfig": json.dumps(config), "lastCNILoadStatus": "OK"}
        status = condition("RuntimeReady", "") + condition("NetworkReady", self.error)
        entries = [text(2, text(1, key) + text(2, value)) for key, value in info.items()]
        return text(1, status) + b"".join(entries) + text(3, text(1, "runc"))

    def answer(self) -> bytes:
        """Settings, the response's header fields (":status: 200" of the static table), its message, its trailers."""
        message = self.message()
        data = struct.pack(">BI", 0, len(message)) + message
        parts = [data[at : at + 16384] for at in range(0, len(data), 16384)]
        found = frame(4, 0, 0, b"") + frame(4, 1, 0, b"") + frame(6, 0, 0, b"12345678") + frame(1, 4, 1, b"\x88")
        return found + b"".join(frame(0, 0, 1, part) for part in parts) + frame(1, 5, 1, TRAILERS)
