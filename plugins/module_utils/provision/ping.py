# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of a node's peers answer an echo request."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack

from ..findings.codes import Code
from ..findings.finding import Finding
from ..packets import icmp


def silent(node: str, peers: Iterable[str]) -> list[Finding]:
    """A finding of ``node`` for each of the addresses ``peers`` that does not answer."""
    return [Finding(Code.PEER_SILENT, node, peer) for peer in unanswered(peers)]


def unanswered(addresses: Iterable[str], seconds: float = 1.0, attempts: int = 3) -> list[str]:
    """Those of ``addresses`` that answer none of ``attempts`` echo requests, each waited for that many ``seconds``."""
    numbers = dict(enumerate(addresses))
    waiting = {address: number for number, address in numbers.items()}
    identifier = os.getpid() & 0xFFFF
    with ExitStack() as stack:
        # a socket of a family that no address is of may be more than the kernel offers
        echoes = {family: stack.enter_context(_Echo(family)) for family in {_family(address) for address in waiting}}
        for _attempt in range(attempts):
            for address, number in waiting.items():
                echoes[_family(address)].send(address, identifier, number)
            end = time.monotonic() + seconds
            while waiting and (left := end - time.monotonic()) > 0:
                for echo in select.select(list(echoes.values()), [], [], left)[0]:
                    answered = echo.receive(identifier, len(numbers))
                    if answered is not None:
                        waiting.pop(numbers[answered], None)
            if not waiting:
                break
    return list(waiting)


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class _Echo:
    """A raw socket for echo messages of one family."""

    def __init__(self, family: int) -> None:
        self.family = family
        self.socket = socket.socket(family, socket.SOCK_RAW, icmp.PROTOCOL[family])
        self.socket.setblocking(False)

    def __enter__(self) -> _Echo:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.socket.close()

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, address: str, identifier: int, sequence: int) -> None:
        try:
            self.socket.sendto(icmp.request(self.family, identifier, sequence, 84), (address, 0))
        except OSError:
            pass  # no route to it, or a full queue: it stays unanswered

    def receive(self, identifier: int, count: int) -> int | None:
        """The sequence number that the next message answers, None if it answers none of ours."""
        try:
            packet = self.socket.recv(2048)
        except OSError:
            return None
        return next((number for number in range(count) if icmp.is_reply(self.family, packet, identifier, number)), None)
