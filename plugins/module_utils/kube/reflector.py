# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following a collection of the API, such as the nodes of a cluster: list, then watch, as client-go's reflector does.

The first list may come from the API server's cache (``resourceVersion=0``), which spares etcd when a whole cluster
starts; a watch goes on where the one before ended, also over a lost connection; bookmarks keep that place young. Only
when the server has forgotten the place (410) everything is listed again, from etcd and page by page.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any, Protocol

from .annotations import read, relevant
from .client import ApiError, Client, status_error
from .list_reader import ListReader

NODES = "/api/v1/nodes"
PAGE = 500
#: The most pages of a list.
PAGES = 1000
#: A watch lasts that many seconds, and up to twice as many: not all nodes' are to end at once.
WATCH = 300
#: Seconds after which a watch that delivered nothing has the server asked for its place in history. One restored from a
#: backup delivers nothing until it has come to the place that was asked for. A healthy one may be as silent: the API
#: server's cache sends no bookmark before its first event (cacher.go, dispatchEvents).
SILENCE = 150


class Sink(Protocol):
    """Takes what was found, in the follower's thread."""

    def replace(self, things: Iterator[dict[str, Any]]) -> None:
        """All objects; takes effect when the iterator has ended without an error."""

    def put(self, thing: dict[str, Any]) -> None:
        """An object is new, or changed."""

    def drop(self, name: str) -> None:
        """The object of that ``key`` is gone."""

    def connected(self) -> None:
        """The server has agreed to a watch."""


class Reflector:
    """Keeps ``sink`` up to date with the collection ``path``, or with those of its objects that ``selector`` (of
    fields) leaves; ``version`` is the place in the cluster's history that it has come to."""

    def __init__(self, sink: Sink, path: str = NODES, selector: str = "") -> None:
        self.sink = sink
        self.path = path
        self.selector = {"fieldSelector": selector} if selector else {}
        self.version = ""
        self.lists = self.watches = self.events = self.malformed = 0
        self._cached = True

    def follow(self, client: Client) -> None:
        """Lists where it must, then watches until the server ends the watch. Raises what ``Client`` does; it can be
        called again then, and goes on from where it was."""
        for _attempt in ("watch", "list and watch"):
            if not self.version:
                self._list(client)
            try:
                self._watch(client)
                return
            except ApiError as error:
                if not error.stale():
                    raise
            # at once: after an outage all come at their own times already
            self.version = ""
            self._cached = False
            client.close()

    def _list(self, client: Client) -> None:
        self.lists += 1
        version: list[str] = []
        self.sink.replace(self._pages(client, version))
        self.version = version[0]
        self._cached = True

    def _pages(self, client: Client, version: list[str]) -> Iterator[dict[str, Any]]:
        query = {"limit": str(PAGE), **self.selector}
        if self._cached:
            query["resourceVersion"] = "0"
        for _page in range(PAGES):
            page = client.items(self.path, query)
            yield from (thing for thing in page.items() if self._usable(thing))
            metadata = _list_metadata(page)
            version[:] = [metadata["resourceVersion"]]
            token = metadata.get("continue")
            if not token:
                return
            query = {"limit": str(PAGE), **self.selector, "continue": str(token)}
        raise ValueError(f"the list of {self.path} has more than {PAGES} pages")

    def _watch(self, client: Client) -> None:
        self.watches += 1
        seconds = WATCH + WATCH * os.urandom(1)[0] // 256
        began, heard = time.monotonic(), False
        events = client.watch(self.path, {"resourceVersion": self.version, **self.selector}, seconds)
        self.sink.connected()
        for event in events:
            heard = True
            self._event(event)
        if not heard and time.monotonic() - began > SILENCE:
            client.close()  # the server may have closed it with the watch
            page = client.items(self.path, {"limit": "1", **self.selector})
            for _thing in page.items():
                pass  # what is asked for is the list's place, by a quorum
            self._check_history(_list_metadata(page)["resourceVersion"])

    def _check_history(self, version: str) -> None:
        """Raises ApiError 410 if the server is at an earlier place than we are."""
        if version.isdigit() and self.version.isdigit() and int(version) < int(self.version):
            raise ApiError(410, "Expired", f"the server's history went back from {self.version} to {version}")

    def _event(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        thing: Any = event.get("object")
        if kind == "ERROR":
            raise status_error(thing)
        self.events += 1
        version = _version(thing)
        self._check_history(version)
        if kind != "BOOKMARK":
            if not self._usable(thing):
                return
            if kind == "DELETED":
                self.sink.drop(key(thing))
            elif kind in ("ADDED", "MODIFIED"):
                self.sink.put(thing)
            else:
                self.malformed += 1
        self.version = version or self.version

    def _usable(self, thing: Any) -> bool:
        """Whether it has a name, as every object of the API."""
        metadata = thing.get("metadata") if isinstance(thing, dict) else None
        if isinstance(metadata, dict) and isinstance(metadata.get("name"), str) and metadata["name"]:
            return True
        self.malformed += 1
        return False


def _list_metadata(page: ListReader) -> dict[str, Any]:
    """The metadata of a list whose items were read. Raises ValueError where it has no place in history."""
    metadata = page.fields.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("resourceVersion"), str):
        raise ValueError("the list has no resourceVersion")
    return metadata


def key(thing: dict[str, Any]) -> str:
    """An object's name, "NAMESPACE/NAME" where it is in one."""
    metadata = thing["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if isinstance(namespace, str) and namespace else str(metadata["name"])


def entry(node: dict[str, Any], own: bool) -> str | None:
    """The entry of a Node, as ``Admission`` takes it; None while it has no pod CIDR. Of our ``own`` node
    the annotations are ours, and not read back."""
    name = node["metadata"]["name"]
    spec = node.get("spec")
    if not isinstance(spec, dict):
        return None
    # podCIDR alone is what releases before dual-stack wrote
    cidrs = _texts(spec.get("podCIDRs")) or _texts([spec.get("podCIDR")])
    if not cidrs:
        return None
    annotations = {} if own else relevant(node["metadata"].get("annotations"))
    since = node["metadata"].get("creationTimestamp")
    found = read(name, cidrs, internal_addresses(node), annotations)
    return f"{since if isinstance(since, str) and ' ' not in since else '-'} {json.dumps(found, separators=(',', ':'))}"


def internal_addresses(node: dict[str, Any]) -> list[str]:
    """A Node's InternalIPs."""
    status = node.get("status")
    addresses = status.get("addresses") if isinstance(status, dict) else None
    return _texts(
        [
            each.get("address")
            for each in (addresses if isinstance(addresses, list) else [])
            if isinstance(each, dict) and each.get("type") == "InternalIP"
        ]
    )


def condition(node: dict[str, Any], kind: str) -> dict[str, Any]:
    """A Node's condition of that type, empty where it has none."""
    status = node.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    for each in conditions if isinstance(conditions, list) else []:
        if isinstance(each, dict) and each.get("type") == kind:
            return each
    return {}


def _version(thing: Any) -> str:
    metadata = thing.get("metadata") if isinstance(thing, dict) else None
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) else ""


def _texts(values: object) -> list[str]:
    return [each for each in values if isinstance(each, str) and each] if isinstance(values, list) else []
