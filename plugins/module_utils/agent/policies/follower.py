# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A thread that keeps one collection of the Kubernetes API in memory, as records, for as long as the agent runs.

It lists and watches (kube/reflector.py) over a connection of its own, and comes back with growing pauses when that is
lost; what is known stays meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Optional

from ...findings.codes import Code
from ...findings.finding import Finding
from ...kube.client import ApiError, Client, load_credentials
from ...kube.reflector import Reflector, key
from ...policy.read import Malformed
from ..backoff import Backoff
from ..log import Log

#: Seconds until the first new attempt, and between attempts in the end.
FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
#: Seconds until the API is asked again for a collection that it does not serve.
ABSENT_PAUSE = 60.0
NOT_FOUND = 404


class Collection(NamedTuple):
    """``path`` of the API, ``selector`` of fields; ``read``: object to record, None for one that does not count;
    ``optional``: the API may not serve it, which is as good as empty."""

    path: str
    selector: str
    read: Callable[[dict[str, Any]], Any | None]
    optional: bool = False


#: What changed: the record by key, None for one that is gone.
News = dict[str, Optional[Any]]


class Follower:
    """Follows ``collection``. ``announce`` is called in the follower's thread, with what changed, and once without
    change when all is known for the first time. ``credentials``: the path."""

    def __init__(
        self, collection: Collection, credentials: str, log: Log, announce: Callable[[Collection, News], None]
    ) -> None:
        self.collection = collection
        self.credentials = credentials
        self.log = log
        self.announce = announce
        #: Whether all is known, whether it is up to date, and why not.
        self.synced = self.live = False
        #: Whether the API has such objects at all.
        self.served = True
        self.reason = "the API server was not asked yet"
        #: Objects that cannot be read, by key with the reason.
        self.malformed: dict[str, str] = {}
        self.errors = 0
        self.reflector = Reflector(self, collection.path, collection.selector)
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
        """Ends the thread."""
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
            try:
                self._follow()
                ended = True
            except Exception as error:  # whatever the other end sent: this thread does not end by it
                pause = self._lost(error)
            if self.live and time.monotonic() - began > 2 * FIRST_PAUSE:
                backoff.reset()
            else:
                ended = False  # a server that ends what it has just begun is not asked at once
            self.live = False
            self._again.wait(0 if ended else max(pause, backoff.next()))

    def _follow(self) -> None:
        """One connection's life."""
        self._client = client = Client(load_credentials(self.credentials))
        try:
            self.reflector.follow(client)
        finally:
            self._client = None
            client.close()

    def _lost(self, error: Exception) -> float:
        """Notes why the API cannot be followed; returns the seconds to wait at least."""
        if self._again.is_set():
            return 0.0  # we have cut the connection ourselves
        if self.collection.optional and getattr(error, "code", 0) == NOT_FOUND:
            self.replace(iter(()))
            self.served, self.reason = False, ""
            return ABSENT_PAUSE
        self.reason = str(error) or type(error).__name__
        self.errors += 1
        lost = {"error": self.reason}
        self.log.warning(Finding(Code.POLICY_WATCH_LOST, "", self.collection.path, lost))
        return error.retry_after if isinstance(error, ApiError) else 0.0

    # -- what the reflector found -----------------------------------------------------------------------------------

    def connected(self) -> None:
        """The server has agreed to a watch."""
        if self._again.is_set():
            raise ConnectionAbortedError("another connection is wanted")
        self.live = self.served = True
        self.reason = ""

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
            self.announce(self.collection, news)

    def put(self, thing: dict[str, Any]) -> None:
        """An object is new, or changed."""
        name = key(thing)
        record = self._record(name, thing)
        if record is None:
            self._forget(name)
        elif self.records.get(name) != record:
            self.records[name] = record
            self.announce(self.collection, {name: record})

    def drop(self, name: str) -> None:
        """An object is gone, or counts no more."""
        self.malformed.pop(name, None)
        self._forget(name)

    def _forget(self, name: str) -> None:
        if self.records.pop(name, None) is not None:
            self.announce(self.collection, {name: None})

    def _record(self, name: str, thing: dict[str, Any]) -> Any | None:
        self.malformed.pop(name, None)
        try:
            return self.collection.read(thing)
        except Malformed as error:
            self.malformed[name] = error.reason
            return self.records.get(name)
