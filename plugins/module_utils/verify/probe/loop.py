# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many tasks that wait for sockets, one at a time in one thread: what probes need of an event loop, which asyncio takes
45 ms to import.

A task is a generator. It yields what it waits for, a Wait, and goes on with True once its socket is ready, with False
once its time is up; what it returns is its result.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Generator, Sequence
from typing import NamedTuple, Optional, Protocol, TypeVar

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Wait(NamedTuple):
    """Until when at the latest (``time.monotonic()``), and for which event, READ or WRITE, of which socket."""

    until: float
    socket: socket.socket | None = None
    event: int = READ


class Watched(Protocol):
    def fileno(self) -> int: ...

    def read(self) -> None: ...


T = TypeVar("T")
Task = Generator[Wait, Optional[bool], T]


class Expired(Exception):
    """A socket was not ready in time."""


def ready(made: socket.socket, until: float, event: int = READ) -> Task[None]:
    """Wait for a socket, which the kernel also calls ready when it has an error. Raises Expired after ``until``."""
    if not (yield Wait(until, made, event)):
        raise Expired


def run(tasks: Sequence[Task[T]], limit: int, watched: Watched | None = None) -> list[T]:
    """Carry out the tasks, at most ``limit`` at a time; returns their results in the same order. ``watched`` is read
    meanwhile, whenever it has input. What a task raises ends all."""
    results: dict[int, T] = {}
    waiting: dict[int, Wait] = {}
    numbers = iter(range(len(tasks)))
    with selectors.DefaultSelector() as selector:
        if watched:
            selector.register(watched, READ)

        def go_on(number: int | None, answer: bool | None = None) -> None:
            """Let a task go on to its next wait, or the next one begin where it has ended."""
            while number is not None:
                try:
                    wait = waiting[number] = tasks[number].send(answer)
                except StopIteration as end:
                    results[number] = end.value
                    number, answer = next(numbers, None), None
                    continue
                if wait.socket:
                    selector.register(wait.socket, wait.event, number)
                return

        def wake(number: int, answer: bool) -> None:
            wait = waiting.pop(number)
            if wait.socket:
                selector.unregister(wait.socket)
            go_on(number, answer)

        for _place in range(limit):
            go_on(next(numbers, None))
        while waiting:
            until = min(wait.until for wait in waiting.values())
            for key, _events in selector.select(max(0.0, until - time.monotonic())):
                if key.data is not None:
                    wake(key.data, True)
                elif watched:
                    watched.read()
            now = time.monotonic()
            for number in [number for number, wait in waiting.items() if wait.until <= now]:
                wake(number, False)
    return [results[number] for number in range(len(tasks))]
