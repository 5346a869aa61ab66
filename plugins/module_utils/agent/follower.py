# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A thread that keeps one collection of the Kubernetes API in memory, as records, for as long as the agent runs.

It lists and watches (kube/reflector.py) over a connection of its own, and comes back with growing pauses when that is
lost; what is known stays meanwhile.
"""

from __future__ import annotations

import importlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Optional, Protocol

from ..findings.codes import Code
from ..findings.finding import Finding
from ..kube.client import ApiError, Client, Credentials, load_credentials
from ..kube.reflector import Reflector, key
from .backoff import Backoff

#: Seconds until the first new attempt, and between attempts in the end.
FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
#: Seconds until the API is asked again for a collection that it does not serve.
ABSENT_PAUSE = 60.0
UNAUTHORIZED, NOT_FOUND = 401, 404


class Collection(NamedTuple):
    """``path`` of the API, ``selector`` of fields; ``read``: object to record, None for one that does not count, raises
    ValueError; ``optional``: the API may not serve it, which is as good as empty; ``older``: paths of equal versions,
    of which it may serve one instead."""

    path: str
    selector: str
    read: Callable[[dict[str, Any]], Any | None]
    optional: bool = False
    older: tuple[str, ...] = ()


#: What changed: the record by key, None for one that is gone.
News = dict[str, Optional[Any]]


class Owner(Protocol):
    """What it keeps a collection for; called in the follower's thread."""

    def announce(self, collection: Collection, news: News) -> None:
        """What changed; once without change when all is known for the first time."""

    def connected(self, collection: Collection) -> None:
        """The server has agreed to a watch."""

    def lost(self, collection: Collection, reason: str) -> None:
        """The collection cannot be followed."""


class Follower:
    """Follows ``collection`` for ``owner``. ``credentials``: the path."""

    def __init__(self, collection: Collection, credentials: str, owner: Owner) -> None:
        self.collection = collection
        self.credentials = credentials
        self.owner = owner
        #: The API server's URL, "" before it was asked.
        self.server = ""
        #: Whether all is known, whether it is up to date, and why not.
        self.synced = self.live = False
        #: Whether the API has such objects at all.
        self.served = True
        self.reason = "the API server was not asked yet"
        #: Objects that cannot be read, by key with the reason.
        self.malformed: dict[str, str] = {}
        self.errors = self.received = 0
        self.reflector = Reflector(self, collection.path, collection.selector)
        #: The thread alone changes them once it has started.
        self.records: dict[str, Any] = {}
        self._client: Client | None = None
        self._closing = False
        self._again = threading.Event()
        self._thread = threading.Thread(target=self._run, name=collection.path.rpartition("/")[2], daemon=True)

    def start(self) -> None:
        self._thread.start()

    def reread(self) -> None:
        """Connects again, with the credentials as they are now."""
        self._again.set()
        client = self._client
        if client:
            client.interrupt()

    def close(self) -> None:
        self._closing = True
        self.reread()
        if self._thread.is_alive():
            self._thread.join(2)

    # -- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        backoff = Backoff(FIRST_PAUSE, LAST_PAUSE)
        while not self._closing:
            self._again.clear()
            began = time.monotonic()
            pause, ended = 0.0, False
            credentials = None
            try:
                credentials = load_credentials(self.credentials)
                self.server = credentials.server
                self._follow(credentials)
                self.reason, ended = "the API server ended the watch", True
            except Exception as error:  # whatever the other end sent: this thread does not end by it
                pause = self._lost(error, credentials)
            if self.live and time.monotonic() - began > 2 * FIRST_PAUSE:
                backoff.reset()
            else:
                ended = False  # a server that ends what it has just begun is not asked at once
            self.live = False
            self._again.wait(0 if ended else max(pause, backoff.next()))

    def _follow(self, credentials: Credentials) -> None:
        """One connection's life."""
        self._client = client = Client(credentials)
        try:
            self._ask(client, self.collection.path, *self.collection.older)
        finally:
            self._client = None
            client.close()
            self.received += client.received

    def _ask(self, client: Client, path: str, *older: str) -> None:
        """Follows the first of these paths that the API serves."""
        if self.reflector.path != path:
            self.reflector = Reflector(self, path, self.collection.selector)
        try:
            self.reflector.follow(client)
        except ApiError as error:
            if error.code != NOT_FOUND or not older:
                raise
            self._ask(client, *older)

    def _lost(self, error: Exception, credentials: Credentials | None) -> float:
        """Notes why the API cannot be followed; returns the seconds to wait at least."""
        if self._again.is_set():
            return 0.0  # we have cut the connection ourselves
        code = error.code if isinstance(error, ApiError) else 0
        if self.collection.optional and code == NOT_FOUND:
            self.replace(iter(()))
            self.served, self.reason = False, ""
            return ABSENT_PAUSE
        reason = str(error) or type(error).__name__
        if credentials and (isinstance(error, ssl.SSLError) or code == UNAUTHORIZED):
            expiry = expiring(credentials)  # a server says only "Unauthorized"
            if expiry:
                reason += f"; certificate {expiry.subject} expired at {expiry.parameters['when']} UTC"
        self.reason = reason
        self.errors += 1
        self.owner.lost(self.collection, reason)
        return error.retry_after if isinstance(error, ApiError) else 0.0

    # -- what the reflector found -----------------------------------------------------------------------------------

    def connected(self) -> None:
        """The server has agreed to a watch."""
        if self._again.is_set():
            raise ConnectionAbortedError("another connection is wanted")
        self.live = self.served = True
        self.reason = ""
        self.owner.connected(self.collection)

    def replace(self, things: Iterator[dict[str, Any]]) -> None:
        """These are all objects."""
        found = {}
        self.malformed = {}
        for thing in things:
            name = key(thing)
            record = self._record(name, thing)
            if record is not None:
                known = self.records.get(name)
                found[name] = known if known == record else record
        news: News = {name: None for name in self.records if name not in found}
        news.update((name, record) for name, record in found.items() if self.records.get(name) is not record)
        self.records = found
        first, self.synced = not self.synced, True
        if news or first:
            self.owner.announce(self.collection, news)

    def put(self, thing: dict[str, Any]) -> None:
        """An object is new, or changed."""
        name = key(thing)
        record = self._record(name, thing)
        if record is None:
            self._forget(name)
        elif self.records.get(name) != record:
            self.records[name] = record
            self.owner.announce(self.collection, {name: record})

    def drop(self, name: str) -> None:
        """An object is gone, or counts no more."""
        self.malformed.pop(name, None)
        self._forget(name)

    def _forget(self, name: str) -> None:
        if self.records.pop(name, None) is not None:
            self.owner.announce(self.collection, {name: None})

    def _record(self, name: str, thing: dict[str, Any]) -> Any | None:
        self.malformed.pop(name, None)
        try:
            return self.collection.read(thing)
        except ValueError as error:
            self.malformed[name] = str(getattr(error, "reason", error))
            return self.records.get(name)


def expiring(credentials: Credentials, within: float = 0.0) -> Finding | None:
    """That our certificate has expired, or will within so many seconds."""
    module = importlib.import_module("..kube.credentials", __package__)  # loaded where it is used only
    path = credentials.certificate
    when = module.expiry(path, within) if isinstance(path, str) else ""
    return Finding(Code.AGENT_CERTIFICATE_EXPIRES, "", str(path), {"when": when}) if when else None
