# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in API server, and the agent's source of leases at it."""

from __future__ import annotations

import json
import select
import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.sources import kubernetes as kubernetes_source
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError
from standin import apiserver, client

#: For what must come at all; how fast is the bench's affair.
LONG = 30


class Follower:
    """A source of node1, and a loop around it as the agent has one."""

    def __init__(self, directory, cache, **settings) -> None:
        self.source = kubernetes_source.open_source(str(directory), {"cache": str(cache), **settings})
        self.source.start()
        self.poll = select.poll()
        self.poll.register(self.source, select.POLLIN)
        self.error = ""

    def until(self, holds):
        """The leases when ``holds(leases)``; reads whenever the source has news."""
        end = time.monotonic() + LONG
        leases = None
        while time.monotonic() < end:
            try:
                _config, leases = self.source.read()
                if holds(leases):
                    return leases
            except ConfigError as error:
                self.error = str(error)
            self.poll.poll(max(0, end - time.monotonic()) * 1000)
        return pytest.fail(f"not within {LONG} s; {leases}, {self.error}, {self.source.status()}")

    def names(self, *names: str):
        """Waits until exactly these are the peers."""
        return self.until(lambda leases: {peer.name for peer in leases.peers} == set(names))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A directory with a CA and identities."""
    directory = tmp_path_factory.mktemp("authority")
    apiserver.authority(directory, "127.0.0.1")
    apiserver.identity(directory, "node1", "/O=podnet:nodes/CN=podnet:node:node1")
    return directory


@pytest.fixture
def server(authority):
    """A server with node1 to node3, and its administrator; ``process`` is the program."""
    with client.serving(authority, "127.0.0.1", client.free_port(), bookmarks=0.5) as (admin, process):
        admin.process = process
        admin.standin("populate", count=3)
        yield admin


@pytest.fixture
def directory(tmp_path, server, authority):
    """/etc/podnet of node1."""
    path = tmp_path / "etc"
    path.mkdir()
    (path / "kube.json").write_text(json.dumps(apiserver.kubeconfig(authority, "node1", server.server)))
    (path / "overlay.json").write_text(json.dumps({"node_name": "node1", "networks": ["100.0.0.0/8"]}))
    return path


@pytest.fixture
def follow(directory, tmp_path):
    """A function that makes a follower; all of them end with the test."""
    made = []

    def make(**settings) -> Follower:
        made.append(Follower(directory, tmp_path / "cache.json", **settings))
        return made[-1]

    yield make
    for follower in made:
        follower.source.close()
