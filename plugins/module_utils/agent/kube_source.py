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
import json
import os
import select
import threading
import time
from collections.abc import Iterator
from typing import Any

from ..overlay import files, wireguard_key
from ..overlay.config import Config, ConfigError
from ..overlay.lease import Leases
from .admission import Admission
from .annotations import difference, relevant, write
from .backoff import Backoff
from .kube_client import ApiError, Client, Credentials, load_credentials
from .kube_http import Waker
from .kube_nodes import NODES, Follower, condition, entry
from .log import Log
from .source import FileSource
from .watch import Watch

CREDENTIALS = "kube.json"
CACHE = "/var/lib/podnet/nodes.json"
#: Seconds between two writes of the cache.
CACHE_PAUSE = 30.0
#: Seconds for which a node must be wrong before the API is told so: most of what is wrong is mended at once.
PATIENCE = 5.0
#: Seconds until the first new attempt, and between attempts in the end.
FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
#: What the server may ask for at most (Retry-After).
LONGEST_PAUSE = 120.0
CONDITION = "NetworkUnavailable"
_PATCH = "application/strategic-merge-patch+json"


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
    entries = _load_cache(open_source(directory, settings).cache)
    if not entries:
        return None
    config = FileSource(directory).config()
    admission = Admission(config)
    admission.change(entries)
    return config, admission.leases()


class KubeSource:
    """What ``Source`` asks for, from the API server; overlay.json in ``directory`` says which node this is."""

    def __init__(self, directory: str, credentials: str, cache: str, annotate: bool = True) -> None:
        self.directory, self.credentials, self.cache, self.annotate = directory, credentials, cache, annotate
        self._files = FileSource(directory)
        self._admission: Admission | None = None
        self._thread: threading.Thread | None = None
        # what the two threads share, under the lock
        self._lock = threading.Lock()
        self._news: dict[str, str | None] = {}
        self._wanted: dict[str, str | None] = {}
        self._level: tuple[bool, str, float] | None = None
        self._closing = False
        self._hurry = False
        self._arrived, self._waker = Waker(), Waker()
        # the follower's thread alone writes these
        self._name = ""
        self._entries: dict[str, str] = {}
        self._told: dict[str, str] | None = None
        self._condition: dict[str, Any] = {}
        self._follower = Follower(self)
        self._client: Client | None = None
        self._server = ""
        self._connected = self._synced = False
        self._reason = "the API server was not asked yet"
        self._unpatched = ""
        self._backoff_patch = Backoff(FIRST_PAUSE, LAST_PAUSE)
        self._log = Log()
        self._patch_after = 0.0
        self._dirty = False
        self._cached_at = -CACHE_PAUSE
        self._errors = self._patches = self._received = 0

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
        wanted = write(self._admission.config, own)
        with self._lock:
            old = self._level
            since = old[2] if old and old[0] == level else time.monotonic()
            changed = old is None or old[:2] != (level, reason) or wanted != self._wanted
            self._wanted, self._level = wanted, (level, reason, since)
        if changed:
            self._waker.wake()

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
            "errors": self._errors,
            "patches": self._patches,
            "received_bytes": self._received,
        }
        reason = self._unpatched if self._connected else self._reason
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
            self._name = config.node_name
            self._entries = _load_cache(self.cache)
            self._admission = Admission(config)
            self._admission.change(self._entries)
            _one_arena()
            self._thread = threading.Thread(target=self._run, name="kubernetes", daemon=True)
            self._thread.start()
        elif config.node_name != self._name:
            raise ConfigError(f"node_name: was {self._name} and is {config.node_name} now: restart the agent")
        return self._admission

    # the follower's side

    def _run(self) -> None:
        backoff = Backoff(FIRST_PAUSE, LAST_PAUSE)
        while not self._closing:
            self._hurry = False
            began = time.monotonic()
            pause = 0.0
            try:
                credentials = load_credentials(self.credentials)
                self._server = credentials.server
                self._attend(credentials)
                self._reason = "the API server ended the watch"
            except Exception as error:  # whatever the other end brought forth: this thread is not to end by it
                self._errors += 1
                self._reason = f"{type(error).__name__}: {error}" if not str(error) else str(error)
                pause = min(error.retry_after, LONGEST_PAUSE) if isinstance(error, ApiError) else 0
                self._log.warning(f"the API server {self._server} is not followed: {self._reason}")
            self._connected = False
            if time.monotonic() - began > 2 * FIRST_PAUSE:
                backoff.reset()
                pause = pause or (0 if self._reason.endswith("watch") else backoff.next())
            else:
                pause = max(pause, backoff.next())
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
        if name == self._name:
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
        own = node["metadata"]["name"] == self._name
        if own:
            self._told = relevant(node["metadata"].get("annotations"))
            self._condition = condition(node, CONDITION)
        return entry(node, own)

    def _announce(self, news: dict[str, str | None], always: bool = False) -> None:
        if news or always:
            with self._lock:
                self._news.update(news)
            self._dirty = self._dirty or bool(news)
            self._arrived.wake()
            self._keep()

    # the cache

    def _keep(self, now: bool = False) -> None:
        """Writes the entries to the cache, when they changed and it is time."""
        due = self._cached_at + CACHE_PAUSE
        if not self._dirty or not self._synced:
            return
        if not now and time.monotonic() < due:
            self._remind(due)
            return
        self._cached_at, self._dirty = time.monotonic(), False
        try:
            files.write(self.cache, json.dumps({"nodes": self._entries}, indent=0) + "\n")
        except OSError as error:
            self._unpatched = f"{self.cache}: {error.strerror}"

    def _remind(self, at: float) -> None:
        self._waker.at = at if self._waker.at is None else min(at, self._waker.at)

    # our own node

    def _tell(self) -> None:
        """Patches our node where it does not say what it must."""
        now = time.monotonic()
        with self._lock:
            wanted, level = self._wanted, self._level
        if self._told is None or level is None or self._client is None:
            return
        patch = self._patch(wanted, level, now)
        if not patch:
            return
        if now < self._patch_after:
            self._remind(self._patch_after)
            return
        client = Client(self._client.credentials, self._waker)
        try:
            node = client.call("PATCH", f"{NODES}/{self._name}/status", patch, _PATCH)
            self._patches += 1
            self._backoff_patch.reset()
            self._unpatched = ""
            self._entry(node)
        except (ApiError, OSError, ValueError, KeyError, TypeError) as error:
            self._errors += 1
            self._unpatched = f"our own node could not be patched: {error}"
            self._log.warning(self._unpatched)
            self._patch_after = now + self._backoff_patch.next()
            self._remind(self._patch_after)
        finally:
            client.close()
            self._received += client.received

    def _patch(self, wanted: dict[str, str | None], level: tuple[bool, str, float], now: float) -> dict[str, Any]:
        """The strategic merge patch that our node needs, empty for none."""
        assert self._told is not None
        patch: dict[str, Any] = {}
        changes = difference(wanted, self._told)
        if changes:
            patch["metadata"] = {"annotations": changes}
        good, reason, since = level
        if not good and now < since + PATIENCE:
            self._remind(since + PATIENCE)
        elif self._condition.get("status") != ("False" if good else "True"):
            told = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            patch["status"] = {
                "conditions": [
                    {
                        "type": CONDITION,
                        "status": "False" if good else "True",
                        "reason": "PodnetIsLevel" if good else "PodnetIsNotLevel",
                        "message": "podnetd has made this node's overlay" if good else reason[:500],
                        "lastHeartbeatTime": told,
                        "lastTransitionTime": told,
                    }
                ]
            }
        return patch


def _one_arena() -> None:
    """Has the C library's allocator serve both threads from one heap (mallopt(3)): half a megabyte less."""
    try:
        ctypes.CDLL(None).mallopt(-8, 1)  # M_ARENA_MAX of glibc's malloc.h
    except (AttributeError, OSError):
        pass  # another C library


def _load_cache(path: str) -> dict[str, str]:
    """The entries that were kept, none where there are none of use."""
    try:
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)["nodes"]
        for name, text in entries.items():
            if json.loads(text.partition(" ")[2])["name"] != name:
                raise ValueError(name)
        return dict(entries)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
