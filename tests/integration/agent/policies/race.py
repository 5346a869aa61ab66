# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datagrams that run a race with policies: what a pod sends from the moment it has an address, and what flows while
podnetd comes and goes. Each has a text of its own, so that what arrives says who sent it, and what is missing."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections import Counter
from functools import partial

from ...conftest import until
from .conftest import Pod, PolicyNode

PORT = 9090
#: Bytes of a listener's buffer: what arrives while Python waits for its turn is not lost.
BUFFER = 64 << 20
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
#: Seconds between two datagrams of a racer, and of a flow.
HURRY, PACE = 0.0002, 0.01
LOCKED = {"matchLabels": {"app": "locked"}}


class Ear:
    """Counts the datagrams that arrive in a namespace, by their text."""

    def __init__(self, netns) -> None:
        self.netns = netns
        self.heard: Counter[bytes] = Counter()
        with netns.entered():
            self.socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.socket.bind(("::", PORT))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while text := self.socket.recv(256):
            self.heard[text] += 1

    def has(self, text: bytes) -> bool:
        return text in self.heard

    def close(self) -> None:
        """Hears what has arrived until now: an empty datagram ends it."""
        with self.netns.entered(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("::1", PORT))
        self._thread.join()
        self.socket.close()


class Sender(threading.Thread):
    """Sends from a namespace while it runs; ``number`` counts what it could send then."""

    def __init__(self, netns, name: str, address: str, pace: float) -> None:
        super().__init__(daemon=True, name=name)
        self.target, self.pace = (address, PORT), pace
        self.number = 0
        self._stopped = threading.Event()
        with netns.entered():
            self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)

    def text(self, word: object) -> bytes:
        return f"{self.name} {word}".encode()

    def send(self, word: object) -> None:
        self.socket.sendto(self.text(word), self.target)

    def run(self) -> None:
        while not self._stopped.wait(self.pace):
            with contextlib.suppress(OSError):  # no address or route yet
                self.send(self.number)
                self.number += 1

    def stop(self) -> None:
        self._stopped.set()
        if self.is_alive():
            self.join()
        self.socket.close()


def lock(node: PolicyNode) -> None:
    """The policy that isolates pods with the label app=locked is known when this returns."""
    node.cluster.policy("shop", "lock", podSelector=LOCKED, policyTypes=["Ingress", "Egress"])
    until("the policy", lambda: node.status()["objects"]["networkpolicies"] == 1)


def race(node: PolicyNode, server: Pod, count: int) -> list[str]:
    """``count`` pods of the namespace "shop", one after the other, both families in turn; the names of those that sent
    or got a datagram against their policies. A test fails where one is lost that no policy forbids.

    A datagram leaves each pod for the server in the instruction that follows ADD's answer, and one leaves the server
    for the pod in the next. Every other pod has the label app=locked, which a policy isolates in both directions: it
    sends all the time from before it has an address, and the server all the time from then on. (Of the others a queue
    that waits for ARP would drop the first: a request that leaves before the bridge has the pod's port is sent again
    only after a second.)"""
    ear, make = Ear(server.netns), node.make_netns
    locked, leaked = set(), []
    try:
        for number in range(count):
            family = number // 2 % 2
            name, netns = f"racer{number}", make()
            own, racer = Ear(netns), Sender(netns, name, server.addresses[family], HURRY)
            uid = node.cluster.pod("shop", name, app="locked" if number % 2 else "open")
            if number % 2:
                locked.add(name)
                racer.start()
            node.make_netns = lambda netns=netns: netns
            pod = node.add("shop", name, uid)
            assert isinstance(pod, Pod), pod
            racer.send("first")
            back = Sender(server.netns, "server", pod.addresses[family], HURRY)
            back.send("first")
            if name in locked:
                back.start()
            node.cluster.status("shop", name, *pod.addresses)
            if name not in locked:
                until(f"what {name} has sent", partial(ear.has, racer.text("first")))
                until(f"what is sent to {name}", partial(own.has, back.text("first")))
            else:
                until(f"what {name} sends by itself", lambda racer=racer, back=back: racer.number and back.number)
            back.stop()
            racer.stop()
            own.close()
            leaked += [name] if name in locked and own.heard else []
            node.delete(pod)
            subprocess.run(["ip", "netns", "delete", netns.name], check=True)
    finally:
        node.make_netns = make
        ear.close()
    return leaked + sorted(locked & {text.decode().partition(" ")[0] for text in ear.heard})


class Flows:
    """Numbered datagrams to a server, at a steady pace, from a client that its policies allow and one that they do
    not."""

    def __init__(self, server: Pod, allowed: Pod, denied: Pod) -> None:
        self.ear = Ear(server.netns)
        self.allowed, self.denied = (
            [Sender(pod.netns, f"{name}{number}", address, PACE) for number, address in enumerate(server.addresses)]
            for name, pod in (("allowed", allowed), ("denied", denied))
        )

    def __enter__(self) -> Flows:
        for each in (*self.allowed, *self.denied):
            each.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        for each in (*self.allowed, *self.denied):
            each.stop()
        self.ear.close()

    def lost(self) -> list[bytes]:
        """What should have arrived and did not."""
        assert all(each.number > 100 for each in (*self.allowed, *self.denied))
        sent = [each.text(number) for each in self.allowed for number in range(each.number)]
        return [text for text in sent if text not in self.ear.heard]

    def leaked(self) -> list[bytes]:
        """What arrived and should not have."""
        return [text for text in self.ear.heard if text.startswith(b"denied")]


class Load(threading.Thread):
    """Pods that come and go in namespace "free", and a policy that changes, until it is stopped."""

    def __init__(self, node: PolicyNode) -> None:
        super().__init__(daemon=True)
        self.node = node
        self.rounds = 0
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            selector = {"matchLabels": {"app": f"none{self.rounds % 5}"}}
            self.node.cluster.policy("shop", "restless", podSelector=selector)
            pod = self.node.run_pod("free", f"busy{self.rounds}")
            self.node.delete(pod)
            self.rounds += 1

    def stop(self) -> None:
        self._stopped.set()
        self.join()
