# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases from the Kubernetes API: every node with a pod CIDR is one.

    reader's thread                              the agent's loop
    list and watch ──► entries ──► news ──► read: admission ──► leases
                          │
    writer's thread       ▼
    cache on disk, patch of our Node  ◄── what it should say ◄── report

Each thread blocks on its own connection; a condition variable wakes the writer. The entries that were known last are
kept on disk: a node that boots while no API server answers has its overlay all the same, and one that loses the server
goes on with what it knows.
"""

from __future__ import annotations

import os
import select
import threading
import time
from typing import Any

from ...findings.codes import Code
from ...findings.finding import Finding
from ...kube.annotations import write
from ...kube.client import ApiError, Client, load_credentials
from ...kube.reflector import NODES, entry
from ...overlay import wireguard_key
from ...overlay.config import Config, ConfigError
from ...overlay.lease import Leases
from ..backoff import Backoff
from ..follower import FIRST_PAUSE, LAST_PAUSE, Collection, Follower, News, expiring
from ..inotify import Watch
from ..log import Log
from .admission import NodeAdmission
from .cache import Cache
from .node_status import STRATEGIC_MERGE, NodeStatus
from .source import CREDENTIALS, FileSource, SourceStatus
from .wakeup import Wakeup

CACHE = "/var/lib/podnet/nodes.json"
#: Seconds before its certificate expires from which on podnetctl warns: half of what site.yml leaves.
NOTICE = 30 * 86400.0


def open_source(directory: str, settings: dict[str, Any]) -> KubeSource:
    """The source for the agent in ``directory``; ``settings`` may have "credentials" and "cache" (paths), and
    "annotate": false where the node's annotations and conditions should not be touched. Raises ConfigError."""
    values = {"credentials": os.path.join(directory, CREDENTIALS), "cache": CACHE, "annotate": True}
    for key, value in settings.items():
        if key not in values:
            raise ConfigError(f"kubernetes.{key}: is not a setting: it knows {', '.join(values)}")
        if type(value) is not type(values[key]):
            wanted = "true or false" if key == "annotate" else "a path"
            raise ConfigError(f"kubernetes.{key}: {value!r} is not {wanted}")
        values[key] = value
    return KubeSource(directory, str(values["credentials"]), str(values["cache"]), bool(values["annotate"]))


def kept(directory: str, settings: dict[str, Any]) -> tuple[Config, Leases] | None:
    """What the agent knew last, for podnetctl while it does not run; None for nothing. Raises ConfigError."""
    entries = open_source(directory, settings).cache.load()
    if not entries:
        return None
    config = FileSource(directory).config()
    admission = NodeAdmission(config)
    admission.change(entries)
    return config, admission.leases()


class KubeSource:
    """A ``Source`` that reads the API server; overlay.json in ``directory`` says which node this is."""

    def __init__(self, directory: str, credentials: str, cache: str, annotate: bool = True) -> None:
        self.directory, self.credentials, self.annotate = directory, credentials, annotate
        self.cache = Cache(cache)
        self._files = FileSource(directory)
        self._log = Log()
        self._admission: NodeAdmission | None = None
        self._nodes = Follower(Collection(NODES, "", self._entry), credentials, self)
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        # what the threads share, under the condition's lock
        self._changed = threading.Condition()
        self._news: dict[str, str | None] = {}
        self._unsaved = False
        self._node = NodeStatus(Backoff(FIRST_PAUSE, LAST_PAUSE))
        self._closing = False
        self._arrived = Wakeup()

    # -- the loop's side --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts to watch the directory, and to follow the API as soon as it is known which node this is."""
        self._watch = Watch(self.directory)
        self._poll = select.epoll()
        self._poll.register(self._watch, select.EPOLLIN)
        self._poll.register(self._arrived, select.EPOLLIN)
        try:
            self._begin(self._files.config())
        except ConfigError:
            pass  # read raises it again

    def fileno(self) -> int:
        """Readable when the directory, or the nodes, have changed."""
        return self._poll.fileno()

    def read(self) -> tuple[Config, Leases]:
        """What is known now; see ``Source``."""
        self._watch.clear()
        self._arrived.clear()
        config = self._files.config()
        admission = self._begin(config)
        with self._changed:
            news, self._news = self._news, {}
        admission.configure(config)
        admission.change(news)
        if not admission.entries and not self._nodes.synced:
            raise ConfigError(f"no node is known yet: {self._nodes.reason}")
        return config, admission.leases()

    def reread(self) -> None:
        """Connects again, with the credentials as they are now."""
        self._nodes.reread()

    def report(self, in_sync: bool, reason: str) -> None:
        """Has the node's annotations and its condition say what is."""
        if not self.annotate or self._admission is None:
            return
        try:
            own = self._admission.leases().own
            backend = self._admission.config.backend
            if backend.type == "wireguard":
                # the peers learn the key that this node has, whatever its annotations say so far
                own = own._replace(public_key=wireguard_key.ensured(backend.private_key_file))
        except (ConfigError, OSError):
            return  # the reconciliation reports it
        with self._changed:
            self._node.want(write(self._admission.config, own), in_sync, reason)
            self._changed.notify()

    def status(self) -> SourceStatus:
        nodes, reflector = self._nodes, self._nodes.reflector
        counters = {
            "nodes": len(nodes.records),
            "lists": reflector.lists,
            "watches": reflector.watches,
            "events": reflector.events,
            "malformed": reflector.malformed + len(nodes.malformed),
            "errors": nodes.errors + self._node.errors,
            "patches": self._node.patches,
            "received_bytes": nodes.received + self._node.received,
        }
        reason = self._node.reason or self.cache.reason if nodes.live else nodes.reason
        return SourceStatus("kubernetes", nodes.server, nodes.live, reason, nodes.synced, counters)

    def close(self) -> None:
        """Ends the threads; what they knew is on disk afterwards."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._nodes.close()
        if self._writer.is_alive():
            self._writer.join(2)
        self._poll.close()
        self._watch.close()

    def _begin(self, config: Config) -> NodeAdmission:
        if self._admission is None:
            self._node.name = config.node_name
            self._nodes.records = self.cache.load()
            self._admission = NodeAdmission(config)
            self._admission.change(self._nodes.records)
            self._nodes.start()
            self._writer.start()
        elif config.node_name != self._node.name:
            raise ConfigError(f"node_name: was {self._node.name} and is {config.node_name} now: restart podnetd")
        return self._admission

    # -- the reader's thread ----------------------------------------------------------------------------------------

    def connected(self, _collection: Collection) -> None:
        """The server has agreed to a watch."""
        self._log.info(f"watching {len(self._nodes.records)} nodes at the API server {self._nodes.server}")
        with self._changed:
            self._changed.notify()

    def lost(self, _collection: Collection, reason: str) -> None:
        """The API server cannot be followed."""
        server = self._nodes.server or self.credentials
        self._log.warning(Finding(Code.AGENT_SOURCE_LOST, self._node.name, server, {"error": reason}))

    def announce(self, _collection: Collection, news: News) -> None:
        """Nodes have changed, or all are known for the first time."""
        with self._changed:
            self._news.update(news)
            self._unsaved = self._unsaved or bool(news)
            self._changed.notify()
        self._arrived.set()

    def _entry(self, node: dict[str, Any]) -> str | None:
        own = node["metadata"]["name"] == self._node.name
        if own:
            with self._changed:
                self._node.observe(node)
                self._changed.notify()
        return entry(node, own)

    # -- the writer's thread ----------------------------------------------------------------------------------------

    def _write(self) -> None:
        while True:
            with self._changed:
                patch = self._node.patch() if self._nodes.live and not self._closing else None
                save = self._unsaved and self._usable() and (self._closing or time.monotonic() >= self.cache.due())
                if not patch and not save:
                    if self._closing:
                        return
                    self._changed.wait(self._pause())
                    continue
                if save:
                    self._unsaved, entries = False, dict(self._nodes.records)
            if save and not self.cache.save(entries):
                self._log.warning(
                    Finding(
                        Code.AGENT_CACHE_NOT_WRITTEN, self._node.name, self.cache.path, {"error": self.cache.reason}
                    )
                )
                self._unsaved = not self._closing
            if patch:
                self._send(patch)

    def _usable(self) -> bool:
        """Whether a boot could use what is known: without ourselves what is on disk is better."""
        return self._nodes.synced and self._node.name in self._nodes.records

    def _pause(self) -> float | None:
        """Seconds until there may be something to write without news."""
        times = [self._node.due()] if self._nodes.live else []
        if self._unsaved and self._usable():
            times.append(self.cache.due())
        known = [each for each in times if each is not None]
        return max(0.0, min(known) - time.monotonic()) if known else None

    def _send(self, patch: dict[str, Any]) -> None:
        """Patches our Node over a connection of its own."""
        client = None
        try:
            client = Client(load_credentials(self.credentials))
            answer = client.call("PATCH", f"{NODES}/{self._node.name}/status", patch, STRATEGIC_MERGE)
            with self._changed:
                self._node.patched(answer)
        except Exception as error:  # whatever the other end sent: this thread does not end by it
            reason = str(error) or type(error).__name__
            with self._changed:
                self._node.failed(reason, error.retry_after if isinstance(error, ApiError) else 0.0)
            self._log.warning(Finding(Code.AGENT_NODE_NOT_PATCHED, self._node.name, self._node.name, {"error": reason}))
        finally:
            if client:
                client.close()
                self._node.received += client.received


def expiring_soon(directory: str, settings: dict[str, Any]) -> Finding | None:
    """That the agent's certificate expires within NOTICE seconds. Raises ConfigError."""
    return expiring(load_credentials(open_source(directory, settings).credentials), NOTICE)
