# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's figures for Prometheus: which there are and what they are now, not how they are written."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .daemon import Daemon

PREFIX = "podnet"


class Family(NamedTuple):
    """All samples of one name: ``kind`` is "gauge", "counter" (the name ends in _total) or "untyped"; a sample is its
    labels and its value."""

    name: str
    kind: str
    help: str
    samples: list[tuple[dict[str, str], float]]


def families(daemon: Daemon) -> list[Family]:
    """All figures of now."""
    return [Family(f"{PREFIX}_{name}", kind, text, list(samples)) for name, kind, text, samples in _told(daemon)]


def _told(daemon: Daemon) -> Iterator[tuple[str, str, str, Iterable[tuple[dict[str, str], float]]]]:
    def one(value: float) -> list[tuple[dict[str, str], float]]:
        return [({}, value)]

    reconciler = daemon.reconciler
    peers = len(reconciler.leases.peers) if reconciler.leases else 0
    yield "up", "gauge", "1: the agent runs.", one(1)
    yield "level", "gauge", "1: the last look found all as it must be, or made it so.", one(reconciler.level)
    yield "peers", "gauge", "Peers with a usable lease.", one(peers)
    refused = "Peers that are not served; the log and podnetctl say why."
    yield "peers_refused", "gauge", refused, one(len(reconciler.refused()))
    looks = [({"kind": kind}, reconciler.looks[kind]) for kind in ("full", "partial")]
    yield "looks_total", "counter", "Looks at everything, and at what leads to changed peers.", looks
    yield "look_failures_total", "counter", "Looks that failed or left something undone.", one(reconciler.failures)
    yield "look_seconds", "gauge", "How long the last look took.", one(daemon.last_took)
    yield "look_timestamp_seconds", "gauge", "When the last look was.", one(daemon.last_look or 0)
    changes: dict[str, list[tuple[dict[str, str], float]]] = {"drift": [], "leases": []}
    for (cause, kind), count in sorted(reconciler.changes.items()):
        changes[cause].append(({"object": kind}, count))
    yield "drift_total", "counter", "Objects put right that were right before.", changes["drift"]
    yield "changes_total", "counter", "Objects changed because leases or configuration did.", changes["leases"]
    wrong = "What is wrong around the overlay; podnetctl status tells."
    yield "warnings", "gauge", wrong, one(len(daemon.warnings()))
    released = "Reservations of containers that are gone."
    yield "addresses_released_total", "counter", released, one(daemon.sweeper.swept)
    source = daemon.source.status()
    connected = [({"type": str(source.get("type", ""))}, bool(source.get("connected")))]
    yield "source_connected", "gauge", "1: the source of leases follows changes.", connected
    for key, value in source.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"source_{key}", "untyped", "Of the source.", one(value)
    if daemon.prober:
        asked = [({"peer": name}, figures) for name, figures in daemon.prober.totals()]
        answered = [(peer, each.reachable) for peer, each in asked if each.reachable is not None]
        yield "peer_reachable", "gauge", "1: the peer answered the last echo request.", answered
        took = [(peer, each.seconds) for peer, each in asked if each.seconds is not None]
        yield "peer_round_trip_seconds", "gauge", "The last answer's round trip.", took
        sent = [(peer, each.sent) for peer, each in asked]
        yield "peer_requests_total", "counter", "Echo requests sent to the peer.", sent
        lost = [(peer, each.lost) for peer, each in asked]
        yield "peer_lost_total", "counter", "Echo requests that were not answered.", lost
    yield "resident_bytes", "gauge", "The agent's resident memory.", one(_resident())
    yield "cpu_seconds_total", "counter", "The agent's processor time.", one(round(time.process_time(), 3))


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
