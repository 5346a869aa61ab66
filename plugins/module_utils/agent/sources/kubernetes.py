# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases from the Kubernetes API: every node with a pod CIDR is one.

    thread of its own                                  the agent's loop
    list and watch ──► entries ──► news ──► wake ──► read: admission ──► leases
    patch of our node  ◄── wake ◄── what it must say ◄── report

The entries that were known last are kept on disk: a node that boots while no API server answers has its overlay all the
same, and one that loses the server goes on with what it knows.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import select
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

from ...kube.annotations import write
from ...kube.client import ApiError, Client, Credentials, load_credentials
from ...kube.http import Waker
from ...kube.reflector import Follower, entry
from ...overlay import wireguard_key
from ...overlay.config import Config, ConfigError
from ...overlay.lease import Leases
from ..backoff import Backoff
from ..inotify import Watch
from ..log import Log
from .admission import Admission
from .cache import Cache
from .node_status import OwnNode
from .source import FileSource

CREDENTIALS = "kube.json"
CACHE = "/var/lib/podnet/nodes.json"
#: Seconds before its certificate's end from which on a node is told to have a new one: half of what site.yml leaves.
NOTICE = 30 * 86400.0
#: Seconds until the first new attempt, and between attempts in the end.
FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0


def open_source(directory: str, settings: dict[str, Any]) -> KubeSource:
    """The source for the agent in ``directory``; ``settings`` may have "credentials" and "cache" (paths), and
    "annotate": false where the node's annotations and conditions are not to be touched. Raises ConfigError."""
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
    """What the agent knew last, for who acts while it does not run; None where nothing was kept. Raises ConfigError."""
    entries = open_source(directory, settings).cache.load()
    if not entries:
        return None
    config = FileSource(directory).config()
    admission = Admission(config)
    admission.change(entries)
    return config, admission.leases()


class KubeSource:
    """What ``Source`` asks for, from the API server; overlay.json in ``directory`` says which node this is."""

    def __init__(self, directory: str, credentials: str, cache: str, annotate: bool = True) -> None:
        self.directory, self.credentials, self.annotate = directory, credentials, annotate
        self.cache = Cache(cache)
        self._files = FileSource(directory)
        self._admission: Admission | None = None
        self._thread: threading.Thread | None = None
        # what the two threads share, under the lock
        self._lock = threading.Lock()
        self._news: dict[str, str | None] = {}
        self._closing = False
        self._hurry = False
        self._arrived, self._waker = Waker(), Waker()
        # the follower's thread alone writes these
        self._entries: dict[str, str] = {}
        self._follower = Follower(self)
        self._client: Client | None = None
        self._server = ""
        self._connected = self._synced = False
        self._reason = "the API server was not asked yet"
        self._log = Log()
        self._own = OwnNode(self._waker, Backoff(FIRST_PAUSE, LAST_PAUSE), self._log)
        self._dirty = False
        self._errors = self._received = 0

    # the loop's side

    def start(self) -> None:
        """Begins to watch the directory, and to follow the API as soon as it is known which node this is."""
        self._watch = Watch(self.directory)
        self._poll = select.epoll()
        self._poll.register(self._watch, select.EPOLLIN)
        self._poll.register(self._arrived, select.EPOLLIN)
        try:
            self._begin(self._files.config())
        except ConfigError:
            pass  # read tells

    def fileno(self) -> int:
        """Readable when the directory, or the nodes, have changed."""
        return self._poll.fileno()

    def read(self) -> tuple[Config, Leases]:
        """What is known now; see ``Source``."""
        self._watch.clear()
        self._arrived.clear()
        config = self._files.config()
        admission = self._begin(config)
        with self._lock:
            news, self._news = self._news, {}
        admission.configure(config)
        admission.change(news)
        if not admission.entries and not self._synced:
            raise ConfigError(f"no node is known yet: {self._reason}")
        return config, admission.leases()

    def reread(self) -> None:
        """Connects anew, with credentials read anew."""
        with self._lock:
            self._hurry = True
        self._waker.wake()

    def report(self, level: bool, reason: str) -> None:
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
            return  # the look at the node tells it
        self._own.must_say(write(self._admission.config, own), level, reason)

    def status(self) -> dict[str, Any]:
        """How the connection is; see ``Source``."""
        told: dict[str, Any] = {
            "type": "kubernetes",
            "server": self._server,
            "connected": self._connected,
            "synced": self._synced,
            "nodes": len(self._entries),
            "lists": self._follower.lists,
            "watches": self._follower.watches,
            "events": self._follower.events,
            "malformed": self._follower.malformed,
            "errors": self._errors + self._own.errors,
            "patches": self._own.patches,
            "received_bytes": self._received + self._own.received,
        }
        reason = self._own.reason or self.cache.reason if self._connected else self._reason
        return {**told, "reason": reason} if reason else told

    def close(self) -> None:
        """Ends the thread; what it knew is on disk afterwards."""
        with self._lock:
            self._closing = True
        self._waker.wake()
        if self._thread:
            self._thread.join(2)
        self._poll.close()
        self._watch.close()

    def _begin(self, config: Config) -> Admission:
        if self._admission is None:
            self._own.name = config.node_name
            self._entries = self.cache.load()
            self._admission = Admission(config)
            self._admission.change(self._entries)
            _one_arena()
            self._thread = threading.Thread(target=self._run, name="kubernetes", daemon=True)
            self._thread.start()
        elif config.node_name != self._own.name:
            raise ConfigError(f"node_name: was {self._own.name} and is {config.node_name} now: restart the agent")
        return self._admission

    # the follower's side

    def _run(self) -> None:
        backoff = Backoff(FIRST_PAUSE, LAST_PAUSE)
        while not self._closing:
            self._hurry = False
            began = time.monotonic()
            pause = 0.0
            ended = False
            credentials = None
            try:
                credentials = load_credentials(self.credentials)
                self._server = credentials.server
                self._attend(credentials)
                self._reason, ended = "the API server ended the watch", True
            except Exception as error:  # whatever the other end brought forth: this thread is not to end by it
                self._errors += 1
                self._reason = f"{type(error).__name__}: {error}" if not str(error) else str(error)
                if credentials and (isinstance(error, ssl.SSLError) or getattr(error, "code", 0) == 401):
                    told = ending(credentials)
                    self._reason += f"; {told}" if told else ""
                pause = error.retry_after if isinstance(error, ApiError) else 0
                self._log.warning(f"the API server {self._server} is not followed: {self._reason}")
            if self._connected and time.monotonic() - began > 2 * FIRST_PAUSE:
                backoff.reset()
            else:
                ended = False  # a server that ends what it has just begun is not asked at once
            self._connected = False
            pause = 0 if ended else max(pause, backoff.next())
            self._rest(pause)
        self._keep(now=True)

    def _attend(self, credentials: Credentials) -> None:
        """One connection's life."""
        self._client = Client(credentials, self._waker)
        try:
            self._follower.follow(self._client)
        finally:
            self._client.close()
            self._received += self._client.received
            self._client = None

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not (self._closing or self._hurry) and time.monotonic() < end:
            self._waker.wait(end - time.monotonic())
            self._waker.clear()

    # what the follower tells

    def replace(self, nodes: Iterator[dict[str, Any]]) -> None:
        """These are all nodes."""
        entries: dict[str, str] = {}
        for node in nodes:
            name = node["metadata"]["name"]
            text = self._entry(node)
            if text:
                known = self._entries.get(name)
                entries[name] = known if known == text else text
        news: dict[str, str | None] = {name: None for name in self._entries if name not in entries}
        news.update((name, text) for name, text in entries.items() if self._entries.get(name) != text)
        self._entries = entries
        first, self._synced = not self._synced, True
        self._announce(news, first)

    def put(self, node: dict[str, Any]) -> None:
        """A node is new, or changed."""
        name = node["metadata"]["name"]
        text = self._entry(node)
        if text is None:
            self.drop(name)
        elif self._entries.get(name) != text:
            self._entries[name] = text
            self._announce({name: text})
        if name == self._own.name:
            self._tell()

    def drop(self, name: str) -> None:
        """A node is gone, or its pod CIDR."""
        if self._entries.pop(name, None) is not None:
            self._announce({name: None})

    def awake(self) -> None:
        """Does what else is to be done."""
        if not self._connected:
            self._log.info(f"the API server {self._server} is followed, {len(self._entries)} nodes")
        self._connected, self._reason = True, ""
        if self._closing or self._hurry:
            raise ConnectionAbortedError("the agent asked for another connection")
        self._keep()
        self._tell()

    def _entry(self, node: dict[str, Any]) -> str | None:
        own = node["metadata"]["name"] == self._own.name
        if own:
            self._own.says(node)
        return entry(node, own)

    def _announce(self, news: dict[str, str | None], always: bool = False) -> None:
        if news or always:
            with self._lock:
                self._news.update(news)
            self._dirty = self._dirty or bool(news)
            self._arrived.wake()
            self._keep()

    def _keep(self, now: bool = False) -> None:
        """Writes the entries to the cache, when they changed and it is time."""
        if not self._dirty or not self._synced or self._own.name not in self._entries:
            return  # without ourselves it would be of no use, and what is kept is better
        if not now and time.monotonic() < self.cache.due():
            self._waker.remind(self.cache.due())
            return
        self._dirty = not self.cache.save(self._entries)
        if self._dirty:
            self._log.warning(f"what is known of the nodes could not be kept: {self.cache.reason}")
            self._waker.remind(self.cache.due())

    def _tell(self) -> None:
        if self._client:
            self._own.tell(self._client)


def _one_arena() -> None:
    """Has the C library's allocator serve both threads from one heap (mallopt(3)): half a megabyte less."""
    try:
        ctypes.CDLL(None).mallopt(-8, 1)  # M_ARENA_MAX of glibc's malloc.h
    except (AttributeError, OSError):
        pass  # another C library


def ending(credentials: Credentials, within: float = 0.0) -> str:
    """That our certificate has ended, or will within so many seconds, "" if not: a server says only "Unauthorized"."""
    module = importlib.import_module("...kube.credentials", __package__)  # loaded where it is used only
    path = credentials.certificate
    when = module.ending(path, within) if isinstance(path, str) else ""
    return f"our certificate in {path!s} ends at {when}: site.yml renews it" if when else ""


def about_to_end(directory: str, settings: dict[str, Any]) -> str:
    """That the agent's certificate ends within NOTICE seconds, "" if not. Raises ConfigError."""
    return ending(load_credentials(open_source(directory, settings).credentials), NOTICE)
