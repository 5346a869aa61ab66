# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that wait for sockets and for their time."""

from __future__ import annotations

import socket
import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe import loop
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe.loop import Expired, Task, Wait

FAR = time.monotonic() + 3600


@pytest.fixture
def pair():
    one, two = socket.socketpair()
    with one, two:
        yield one, two


def test_results_keep_the_order_of_their_tasks_whoever_ends_first(pair):
    one, two = pair

    def reads() -> Task[bytes]:
        yield from loop.ready(one, FAR)
        return one.recv(9)

    def writes() -> Task[bytes]:
        yield from loop.ready(two, FAR, loop.WRITE)
        two.send(b"x")
        return b"written"

    assert loop.run([reads(), writes()], 2) == [b"x", b"written"]


def test_a_socket_that_stays_silent_expires(pair):
    def reads() -> Task[str]:
        try:
            yield from loop.ready(pair[0], time.monotonic() + 0.01)
        except Expired:
            return "expired"
        return "read"

    assert loop.run([reads()], 1) == ["expired"]


def test_no_more_tasks_at_a_time_than_the_limit():
    running, most = set(), []

    def one(number: int) -> Task[None]:
        running.add(number)
        most.append(len(running))
        yield Wait(0)  # its time is up at once
        running.remove(number)

    loop.run([one(number) for number in range(20)], 3)
    assert max(most) == 3


def test_a_task_that_never_waits_and_none_at_all():
    def at_once() -> Task[int]:
        return 5
        yield

    assert loop.run([at_once(), at_once()], 1) == [5, 5]
    assert loop.run([], 1) == []


def test_what_is_watched_is_read_meanwhile(pair):
    one, two = pair
    other, end = socket.socketpair()

    class Watched:
        def fileno(self) -> int:
            return one.fileno()

        def read(self) -> None:
            end.send(one.recv(9))

    def waits() -> Task[bytes]:
        two.send(b"seen")
        yield from loop.ready(other, FAR)
        return other.recv(9)

    with other, end:
        assert loop.run([waits()], 1, Watched()) == [b"seen"]


def test_an_error_of_a_task_ends_all(pair):
    def waits() -> Task[None]:
        yield from loop.ready(pair[0], FAR)

    def fails() -> Task[None]:
        yield Wait(0)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        loop.run([waits(), fails()], 2)
