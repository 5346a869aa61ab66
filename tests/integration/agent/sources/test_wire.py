# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server that answers nonsense, byte by byte as it is told to: what was known stays, and it is asked again."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading

import pytest
from standin import apiserver, client

FOLLOWER = "ansible_collections.podnet.cluster.plugins.module_utils.agent.follower"
NODE = {
    "metadata": {"name": "node9", "resourceVersion": "9"},
    "spec": {"podCIDR": "100.0.9.0/24"},
    "status": {"addresses": [{"type": "InternalIP", "address": "10.77.0.9"}]},
}


def chunk(line: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(line), line)


def event(kind: object, thing: object) -> bytes:
    return chunk(json.dumps({"type": kind, "object": thing}).encode() + b"\n")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
WATCH = HEAD + b"\r\n"
#: What a watch is answered, one after the other; each time the connection is closed then.
NONSENSE = {
    "nothing": b"",
    "no HTTP": b"220 mail.example.com ESMTP\r\n",
    "a status that is none": b"HTTP/1.1 many OK\r\n\r\n",
    "a header that is none": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "a way elsewhere": b"HTTP/1.1 302 Found\r\nLocation: https://192.0.2.1/\r\nContent-Length: 0\r\n\r\n",
    "too many": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\n{}",
    "an error without a word": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "an answer cut short": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\n{",
    "no size of a chunk": WATCH + b"zz\r\n",
    "a size below nothing": WATCH + b"-5\r\n",
    "half a chunk": WATCH + b'40\r\n{"type":"ADD',
    "a chunk that is longer than it says": WATCH + b"2\r\n{}garbage\r\n",
    "no gzip": HEAD + b"Content-Encoding: gzip\r\n\r\n" + chunk(b"{}\n"),
    "no JSON": WATCH + chunk(b"<html>\n"),
    "no text": WATCH + chunk(b"\xff\xfe\n"),
    "no object": WATCH + chunk(b"[1]\n"),
    "a deep hole": WATCH + chunk(b"[" * 60000 + b"\n"),
    "events of nothing": WATCH + event("ADDED", None) + event("MODIFIED", {"metadata": {"name": 7}}) + event(7, NODE),
    "an error that is none": WATCH + event("ERROR", "x"),
}


@contextlib.contextmanager
def serving(authority, answers: list, versions: tuple[str, ...] = ("5",)):
    """A server on a port that it tells: a list of node1 and node2 for each list, at the next of the ``versions``; for
    each watch the next answer, and for all watches after them one that brings node9 and stays open."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.crt", authority / "server.key")
    nodes = [apiserver.node(1), apiserver.node(2)]
    left, kept, places = list(answers), [], list(versions)

    def listed() -> bytes:
        place = places.pop(0) if len(places) > 1 else places[0]
        body = json.dumps({"metadata": {"resourceVersion": place}, "items": nodes}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                plain = listener.accept()[0]
            except OSError:
                return
            with contextlib.suppress(OSError):
                stream = context.wrap_socket(plain, server_side=True)
                while request := stream.recv(65536):
                    if b"watch=1" not in request:
                        stream.sendall(listed())
                        continue
                    if left and isinstance(left[0], tuple):
                        endless = left.pop(0)
                        stream.sendall(endless[0])
                        while True:  # until the client has enough
                            stream.sendall(endless[1])
                    stream.sendall(left[0] if left else WATCH + event("ADDED", NODE))
                    if not left:
                        kept.append(stream)
                        break
                    left.pop(0)
                    stream.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for stream in kept:
        stream.close()


#: What says that a watch cannot begin where it is asked to, and what stands between us and the API.
STALE = {
    "forgotten": WATCH + event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"}),
    "put back": WATCH + event("ERROR", {"code": 504, "reason": "Timeout", "message": "Too large resource version: 5"}),
    "gone back": WATCH + event("BOOKMARK", {"kind": "Node", "metadata": {"resourceVersion": "3"}}),
    "of another kind": b'HTTP/1.1 400 Bad Request\r\nContent-Length: 17\r\n\r\n{"kind":"Status"}',
}
#: What has no end of its own.
ENDLESS = {
    "an error": (b"HTTP/1.1 500 Error\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"x" * 16000), "500"),
    "an event": (WATCH, chunk(b"x" * 16000), "an event of the watch has more than"),
    "a header": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", "header fields"),
    "a line": (b"HTTP/1.1 200 OK\r\n", b"x" * 16000, "response line exceeds 64 KiB"),
    "forewords": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", "forewords"),
}
BETWEEN = {
    "302 is not an answer of the API: redirects to https://192.0.2.1/login": (
        b"HTTP/1.1 302 Found\r\nLocation: https://192.0.2.1/login\r\nContent-Length: 0\r\n\r\n"
    ),
    "502 is not an answer of the API: <html> <h1>Bad Gateway</h1>": (
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 29\r\n\r\n<html>\n  <h1>Bad Gateway</h1>"
    ),
}


def at(port: int, authority, directory) -> None:
    """Has the agent ask the server there."""
    config = apiserver.kubeconfig(authority, "node1", f"https://127.0.0.1:{port}")
    (directory / "kube.json").write_text(json.dumps(config))


@pytest.mark.parametrize("answer", STALE.values(), ids=STALE)
def test_a_place_that_is_not_to_be_had_is_left_for_a_new_list(authority, directory, follow, answer):
    with serving(authority, [answer]) as port:
        at(port, authority, directory)
        follower = follow(annotate=False)
        follower.names("node2", "node9")
        assert follower.source.status().counters["lists"] == 2


@pytest.mark.parametrize(("place", "lists"), [("3", 2), ("5", 1), ("7", 1)], ids=["restored", "idle", "others"])
def test_after_a_silent_watch_the_server_is_asked_for_its_place(
    authority, directory, follow, monkeypatch, place, lists
):
    """One restored from a backup is behind us; of an idle one, or one where other things changed, nothing is listed."""
    monkeypatch.setattr("ansible_collections.podnet.cluster.plugins.module_utils.kube.reflector.SILENCE", 0)
    with serving(authority, [WATCH + b"0\r\n\r\n"], ("5", place)) as port:
        at(port, authority, directory)
        follower = follow(annotate=False)
        follower.names("node2", "node9")
        assert follower.source.status().counters["lists"] == lists


@pytest.mark.parametrize(("told", "answer"), BETWEEN.items(), ids=["redirect", "proxy"])
def test_who_stands_before_the_api_is_told(authority, directory, follow, told, answer):
    with serving(authority, [answer] * 20) as port:
        at(port, authority, directory)
        follower = follow(annotate=False)
        client.wait(follower.source.status, lambda found: found.reason == told)
        assert follower.names("node2").own.name == "node1"


@pytest.mark.parametrize("what", ["all of it", "in pieces"])
def test_nonsense_ends_nothing(authority, directory, follow, monkeypatch, what):
    for name in ("FIRST_PAUSE", "LAST_PAUSE"):
        monkeypatch.setattr(f"{FOLLOWER}.{name}", 0.02)
    answers = list(NONSENSE.values())
    if what == "in pieces":  # each cut off in its middle
        answers = [answer[: len(answer) // 2] for answer in answers]
    with serving(authority, answers) as port:
        at(port, authority, directory)
        follower = follow(annotate=False)
        follower.names("node2")
        seen = set()

        def known(leases) -> bool:
            seen.add(frozenset(peer.name for peer in leases.peers))
            return frozenset({"node2", "node9"}) in seen

        follower.until(known)
        assert seen <= {frozenset({"node2"}), frozenset({"node2", "node9"})}, "nonsense was taken for news"
        status = client.wait(follower.source.status, lambda found: found.connected)
        assert status.counters["errors"] >= len(answers) - 3 and status.counters["lists"] == 1


@pytest.mark.parametrize("endless", ENDLESS.values(), ids=ENDLESS)
def test_what_has_no_end_is_left(authority, directory, follow, monkeypatch, endless):
    for name in ("FIRST_PAUSE", "LAST_PAUSE"):
        monkeypatch.setattr(f"{FOLLOWER}.{name}", 0.2)
    with serving(authority, [endless]) as port:
        at(port, authority, directory)
        follower = follow(annotate=False)
        client.wait(lambda: follower.source.status().reason, lambda found: endless[2] in found)
        follower.names("node2", "node9")
