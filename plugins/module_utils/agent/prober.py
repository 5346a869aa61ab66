# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The continuous probe: the agent sends each peer an echo request now and then, and records the answers.

A request goes to the address that the peer's tunnel device has, so that it takes the pods' way: route, neighbour, FDB,
underlay. Nothing waits: one raw socket for each IP version is part of the agent's loop, and what is late is lost.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Iterable, Mapping

from ..packets.icmp import PROTOCOL, is_reply, numbers, request

#: Seconds after which a request without an answer is lost.
PATIENCE = 1.0
#: Seconds between two requests at least, however many peers there are.
LEAST = 0.01
#: A request's packet in bytes: as ping's.
SIZE = 84


class Figures:
    """What is known of one peer: whether the last request was answered (None: none was sent yet), the last answer's
    round trip in seconds, and how many requests were sent and lost."""

    __slots__ = ("lost", "reachable", "seconds", "sent")

    def __init__(self) -> None:
        self.reachable: bool | None = None
        self.seconds: float | None = None
        self.sent = 0
        self.lost = 0


class Prober:
    """Sends each peer a request every ``every`` seconds, evenly spread. Raises OSError when it gets no socket."""

    def __init__(self, every: float) -> None:
        self.every = every
        self.figures: dict[str, Figures] = {}
        self.sockets: dict[int, socket.socket] = {family: _open(family) for family in (socket.AF_INET, socket.AF_INET6)}
        self._addresses: dict[str, str] = {}
        self._round: list[str] = []
        self._identifier = os.getpid() & 0xFFFF
        self._sequence = random.randrange(1 << 16)
        #: Requests that are under way: (family, sequence) → (peer, when sent)
        self._waiting: dict[tuple[int, int], tuple[str, float]] = {}

    def aim(self, addresses: Mapping[str, str]) -> None:
        """From now on these are the peers, by name, with the addresses that are asked."""
        self._addresses = dict(addresses)
        self.figures = {name: self.figures.get(name) or Figures() for name in addresses}

    def pause(self) -> float:
        """Seconds until the next request."""
        return max(LEAST, self.every / max(1, len(self._addresses)))

    def send(self) -> None:
        """Asks the next peer, and gives up on those that have not answered in time."""
        self._expire()
        while self._round and self._round[-1] not in self._addresses:
            self._round.pop()
        if not self._round:
            self._round = list(self._addresses)
            random.shuffle(self._round)  # all nodes asking the same one at once would measure that
        if not self._round:
            return
        name = self._round.pop()
        address = self._addresses[name]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.figures[name].sent += 1
        try:
            self.sockets[family].sendto(request(family, self._identifier, self._sequence, SIZE), (address, 0))
        except OSError:  # no route, or a full queue: it will not arrive
            self._lose(name)
        else:
            self._waiting[family, self._sequence] = name, time.monotonic()

    def receive(self, family: int) -> None:
        """Takes what has arrived."""
        now = time.monotonic()
        while True:
            try:
                packet = self.sockets[family].recv(2048)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error for this socket: the request will expire
                continue
            sequence = numbers(family, packet)[1]
            asked = self._waiting.get((family, sequence))
            if asked and is_reply(family, packet, self._identifier, sequence):
                del self._waiting[family, sequence]
                figures = self.figures.get(asked[0])
                if figures:
                    figures.reachable, figures.seconds = True, now - asked[1]

    def totals(self) -> Iterable[tuple[str, Figures]]:
        """The peers that were asked, by name."""
        return sorted((name, figures) for name, figures in self.figures.items() if figures.sent)

    def close(self) -> None:
        for each in self.sockets.values():
            each.close()

    def _expire(self) -> None:
        before = time.monotonic() - PATIENCE
        for key, (name, sent) in list(self._waiting.items()):
            if sent >= before:
                break  # they are in the order in which they were sent
            del self._waiting[key]
            self._lose(name)

    def _lose(self, name: str) -> None:
        figures = self.figures.get(name)
        if figures:
            figures.lost += 1
            figures.reachable, figures.seconds = False, None


def _open(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, PROTOCOL[family])
