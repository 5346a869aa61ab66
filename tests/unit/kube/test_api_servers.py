# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers behind a node's load balancer, asked by TLS: ready, not ready, another's, silent, not there."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.kube import api_servers
from standin.apiserver import authority

HERE = "127.0.0.1"


class Readyz(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = b"[-]etcd failed\n" if self.server.status != 200 else b"ok"
        self.send_response(self.server.status if self.path == "/readyz" else 404)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_words):
        pass


@pytest.fixture
def judge(tmp_path, monkeypatch):
    """What is found of the servers at these ports, by the node's own CA."""
    authority(tmp_path, HERE)
    monkeypatch.setattr(api_servers, "CA", str(tmp_path / "ca.crt"))
    monkeypatch.setattr(api_servers, "BALANCER", str(tmp_path / "haproxy.cfg"))
    monkeypatch.setattr(api_servers, "PATIENCE", 30.0)  # the machine may be busy

    def found(*ports: int):
        lines = [f"    server node{at} {HERE}:{port} tcp-ut 2s check check-ssl\n" for at, port in enumerate(ports, 1)]
        lines += [f"    server node{at}-unready {HERE}:{port} tcp-ut 2s backup\n" for at, port in enumerate(ports, 1)]
        (tmp_path / "haproxy.cfg").write_text(f"listen api\n    bind {HERE}:6444\n{''.join(lines)}")
        return api_servers.findings("node9")

    return found


@pytest.fixture
def serve(tmp_path):
    """A function that starts a server with the certificates in a directory, and returns its port."""
    with ExitStack() as stack:

        def start(status: int, directory: Path = tmp_path) -> int:
            server = stack.enter_context(http.server.ThreadingHTTPServer((HERE, 0), Readyz))
            server.status = status
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(directory / "server.crt", directory / "server.key")
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(server.shutdown)
            return server.server_address[1]

        yield start


def test_servers_that_are_ready(judge, serve):
    assert judge(serve(200), serve(200)) == []


def test_those_that_are_not_are_named(judge, serve, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    authority(other, HERE)
    with socket.create_server((HERE, 0)) as closed:
        nothing = closed.getsockname()[1]
    found = judge(serve(500), serve(200), serve(200, other), nothing)
    assert {each.code for each in found} == {Code.API_SERVER_NOT_READY} and {each.node for each in found} == {"node9"}
    assert [each.subject for each in found] == ["node1", "node3", "node4"]
    assert found[0].parameters == {"address": HERE, "error": "status 500: [-]etcd failed"}
    for each, word in zip(found[1:], ("certificate verify failed", "refused")):
        assert word in each.parameters["error"]


def test_one_that_says_nothing(judge, monkeypatch):
    monkeypatch.setattr(api_servers, "PATIENCE", 0.1)
    with socket.create_server((HERE, 0)) as silent:
        (finding,) = judge(silent.getsockname()[1])
    assert "timed out" in finding.parameters["error"]


def test_a_node_without_a_balancer(judge, tmp_path, monkeypatch):
    monkeypatch.setattr(api_servers, "BALANCER", str(tmp_path / "none"))
    assert api_servers.findings("node9") == []
    monkeypatch.setattr(api_servers, "CA", str(tmp_path / "none"))
    assert judge(1) == [], "a node that has not joined"
