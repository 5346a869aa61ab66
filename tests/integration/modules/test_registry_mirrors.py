# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real containerd pulls by the hosts.toml files of the role: CA, client certificate, header, path, _default."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import json
import os
import ssl
import subprocess
import sys
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = 'Basic "b3Bz\\'
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
CONFIG = """
version = 3
plugins.'io.containerd.cri.v1.images'.snapshotter = "native"
plugins.'io.containerd.cri.v1.images'.registry.config_path = "{0}"
[[plugins.'io.containerd.transfer.v1.local'.unpack_config]]
  platform = "linux/{1}"
  snapshotter = "native"
  differ = "walking"
"""


def main(mirrors: str) -> None:
    """Prints the files of the role containerd for ``mirrors``, which is JSON."""
    from ansible.plugins.loader import init_plugin_loader

    path = ROOT / "tests/unit/provision/test_templates.py"
    specification = importlib.util.spec_from_file_location("templates", path)
    templates = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(templates)
    init_plugin_loader([str(ROOT / "build/collections")])
    given = {"containerd_registry_mirrors": json.loads(mirrors)}
    print(json.dumps(templates.evaluate("containerd", "{{ _containerd_mirrors }}", **given)))


def image() -> dict[str, tuple[str, bytes]]:
    """A small image as a registry has it: media type and content by what follows the repository's name."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("file"))
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]}
    config = json.dumps({"architecture": ARCHITECTURE, "os": "linux", "rootfs": rootfs}).encode()
    kind, found, parts = "application/vnd.oci.image.{}.v1", {}, []
    blobs = (("config", "+json", config), ("layer", ".tar+gzip", gzip.compress(layer.getvalue())))
    for name, suffix, blob in blobs:
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        media = kind.format(name) + suffix
        found[f"blobs/{digest}"] = "application/octet-stream", blob
        parts.append({"mediaType": media, "digest": digest, "size": len(blob)})
    media = f"{kind.format('manifest')}+json"
    manifest = {"schemaVersion": 2, "mediaType": media, "config": parts[0], "layers": parts[1:]}
    content = json.dumps(manifest).encode()
    for reference in ("1", f"sha256:{hashlib.sha256(content).hexdigest()}"):
        found[f"manifests/{reference}"] = media, content
    return found


@pytest.fixture
def registry(tmp_path):
    """One that wants a client certificate and a password, and has the image below /own and /v2."""
    for name in ("server", "client"):
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.crt"]
        subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    has, seen = image(), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _mark, query = self.path.partition("?")
            is_known = self.headers["authorization"] == PASSWORD
            seen.append((query, is_known))
            root, _app, rest = path.removeprefix("/").partition("/app/")
            media, content = has.get(rest, ("", b"")) if is_known and root in ("own", "v2") else ("", b"")
            self.send_response(200 if content else 404 if is_known else 403)
            self.send_header("Content-Type", media or "text/plain")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, *_words: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_words: object) -> None:
            """A client without certificate is no error of the server's."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "client.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_containerd_pulls_by_the_role_s_files(registry, tmp_path):
    """Nobody answers at the registries themselves, whose ports are those below 10."""
    from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import cri_image
    from containerd import running

    url, seen = registry
    full = {
        "url": f"{url}/own",
        "ca": f"{tmp_path}/server.crt",
        "client": [f"{tmp_path}/client.{each}" for each in ("crt", "key")],
    }
    full |= {"header": {"authorization": PASSWORD}, "override_path": True}
    root = {**full, "url": url, "override_path": False}
    without = {name: {key: value for key, value in full.items() if key != name} for name in full}
    mirrors = {
        "127.0.0.1:1": [full],
        "127.0.0.1:2": ["https://127.0.0.1:9", root],
        "127.0.0.1:3": [{**without["ca"], "skip_verify": True}],
        "127.0.0.1:4": [without["header"]],
        "127.0.0.1:5": [without["client"]],
        "127.0.0.1:6": [without["ca"]],
        "127.0.0.1:7": [without["override_path"]],
        "_default": [full],
    }
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    words = [sys.executable, __file__, json.dumps(mirrors)]
    done = subprocess.run(words, env=environment, cwd=ROOT, check=True, capture_output=True)
    for file in json.loads(done.stdout):
        path = Path(file["path"].replace("/etc/containerd", str(tmp_path)))
        path.parent.mkdir(parents=True)
        path.write_text(file.get("content") or file["secret_content"])
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/registry.toml").write_text(CONFIG.format(tmp_path / "certs.d", ARCHITECTURE))
    pulled = {}
    with running(SimpleNamespace(path="/proc/self/ns/net"), tmp_path, tmp_path) as socket:
        until = time.monotonic() + 60
        while True:
            try:
                cri_image.names(str(socket))
                break
            except OSError:
                assert time.monotonic() < until, (tmp_path / "log").read_text()[-2000:]
                time.sleep(0.2)
        for port in range(1, 9):
            pulled[port] = not cri_image.pull(str(socket), f"127.0.0.1:{port}/app:1", "node", 120)
            if pulled[port]:  # the next one is to ask the registry for everything
                for identifier in cri_image.identifiers(str(socket)):
                    cri_image.remove(str(socket), identifier)
    expected = {1: True, 2: True, 3: True, 4: False, 5: False, 6: False, 7: False, 8: True}
    assert pulled == expected, (tmp_path / "log").read_text()[-4000:]
    assert {port for port in expected for query, known in seen if not known and query == f"ns=127.0.0.1%3A{port}"} == {
        4
    }


if __name__ == "__main__":
    main(sys.argv[1])
