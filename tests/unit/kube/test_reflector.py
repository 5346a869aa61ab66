# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List and watch: from where a watch goes on, and when all is listed again."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.kube.client import ApiError
from ansible_collections.podnet.cluster.plugins.module_utils.kube.reflector import Reflector


def node(name: str, version: str) -> dict:
    return {"metadata": {"name": name, "resourceVersion": version}}


class Page:
    def __init__(self, things, version, token=None):
        self.things = things
        self.fields = {"metadata": {"resourceVersion": version, **({"continue": token} if token else {})}}

    def items(self):
        yield from self.things


class Server:
    """Answers with these lists and watches, one after the other; an error is raised."""

    def __init__(self, lists, watches):
        self.lists, self.watches = list(lists), list(watches)
        self.asked: list[dict] = []
        self.closed = 0

    def items(self, _path, query):
        self.asked.append(query)
        return self.lists.pop(0)

    def watch(self, _path, query, _seconds):
        self.asked.append(query)
        found = self.watches.pop(0)
        if isinstance(found, Exception):
            raise found
        return iter(found)

    def close(self):
        self.closed += 1


class Sink:
    def __init__(self):
        self.known: dict[str, dict] = {}

    def replace(self, things):
        self.known = {thing["metadata"]["name"]: thing for thing in things}

    def put(self, thing):
        self.known[thing["metadata"]["name"]] = thing

    def drop(self, name):
        del self.known[name]

    def connected(self):
        pass


def event(kind: str, thing: dict) -> dict:
    return {"type": kind, "object": thing}


BOOKMARK = event("BOOKMARK", {"metadata": {"resourceVersion": "20"}})


def test_a_list_of_pages_then_events_and_the_place_that_they_lead_to():
    events = [event("ADDED", node("c", "11")), event("DELETED", node("a", "12")), event("ODD", node("d", "13"))]
    nameless = {"metadata": {}}
    pages = [Page([node("a", "1"), nameless], "9", "more"), Page([node("b", "2")], "10")]
    server = Server(pages, [[*events, BOOKMARK]])
    follower = Reflector(Sink())
    follower.follow(server)
    assert set(follower.sink.known) == {"b", "c"} and follower.version == "20" and follower.malformed == 2
    first, second, watch = server.asked
    assert first["resourceVersion"] == "0" and second["continue"] == "more" and watch["resourceVersion"] == "10"


def test_a_lost_watch_goes_on_from_its_place():
    server = Server([Page([], "10")], [[BOOKMARK], ConnectionResetError(), []])
    follower = Reflector(Sink())
    follower.follow(server)
    with pytest.raises(ConnectionResetError):
        follower.follow(server)
    follower.follow(server)
    assert follower.lists == 1 and server.asked[-1]["resourceVersion"] == "20"


@pytest.mark.parametrize("lost", [
    ApiError(410, "Gone", ""),
    [event("ERROR", {"code": 410, "reason": "Expired"})],
    [event("ADDED", node("a", "3"))],  # the server's history went back
], ids=["refused", "an event", "a restored server"])  # fmt: skip
def test_a_place_that_is_forgotten_has_all_listed_again_from_etcd(lost):
    server = Server([Page([node("old", "1")], "10"), Page([node("new", "2")], "5")], [lost, []])
    follower = Reflector(Sink())
    follower.follow(server)
    assert set(follower.sink.known) == {"new"} and follower.version == "5" and follower.lists == 2
    assert "resourceVersion" not in server.asked[2] and server.closed == 1


def test_a_list_without_a_place_is_refused():
    page = Page([], "1")
    page.fields = {}
    with pytest.raises(ValueError, match="no resourceVersion"):
        Reflector(Sink()).follow(Server([page], []))
