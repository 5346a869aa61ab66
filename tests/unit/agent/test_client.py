# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What podnetctl makes of podnetd's answers, and of none."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent import client
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from overlays import entry


@pytest.fixture
def agent(tmp_path):
    """A function that serves an answer, as it stands on the wire, once; returns the directory of the socket."""
    threads = []

    def serve(answer: bytes) -> str:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(tmp_path / client.SOCKET))
        listener.listen()

        def run():
            with listener:
                connection, _address = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return str(tmp_path)

    yield serve
    for thread in threads:
        thread.join(10)


def http(told: object, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nConnection: close\r\n\r\n{json.dumps(told)}".encode()


def test_configuration_and_leases_with_those_that_podnetd_refused(agent):
    refused = Finding(Code.LEASE_MISSING, "node1", "node9")
    told = {
        "config": {"node_name": "node1", "networks": ["10.244.0.0/16"]},
        "leases": [entry(1), entry(2)],
        "refused": {"node9": refused.as_json()},
    }
    config, leases = client.known(agent(http(told)))
    assert config.node_name == "node1" and leases.own.name == "node1"
    assert [peer.name for peer in leases.peers] == ["node2"] and leases.refused == {"node9": refused}


@pytest.mark.parametrize("answer", [
    http({"config": None}), http({}, "404 Not Found"), http([1]), b"HTTP/1.1 200 OK\r\n\r\n{", b"",
])  # fmt: skip
def test_an_agent_that_knows_nothing_or_says_nothing_of_use(agent, answer):
    assert client.known(agent(answer)) is None


def test_no_agent(tmp_path):
    assert client.ask(str(tmp_path), "/known") is None
