# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the agent tells of itself: health, metrics in Prometheus' text format, its status, and what it knows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .daemon import Daemon

#: So many missed looks of the slow timer, and something is wrong with the agent itself.
MISSED = 3


def unhealthy(daemon: Daemon) -> list[str]:
    """Why the agent does not do its work, a line each; a restart may help. Empty when it does."""
    reconciler = daemon.reconciler
    found = []
    since = time.monotonic() - daemon.looked_at
    if daemon.last_look and since > MISSED * daemon.settings.resync:
        found.append(f"no look at the node for {since:.0f} s")
    if not reconciler.level and reconciler.leases is not None:
        found.append(f"not level: {reconciler.reason}")
    return found


def unready(daemon: Daemon) -> list[str]:
    """Why the pods of this node may not reach all peers, a line each. Empty when they do."""
    found = unhealthy(daemon)
    if daemon.reconciler.leases is None:
        found.append(daemon.source_error or "the source has told nothing yet")
    elif daemon.source_error:
        found.append(daemon.source_error)
    source = daemon.source.status()
    if not source.get("connected", True):
        found.append(f"source: {source.get('reason') or 'not connected'}")
    return found


def known(daemon: Daemon) -> dict[str, Any]:
    """The configuration and the leases by which the agent works, as ``podnetctl`` reads them."""
    reconciler = daemon.reconciler
    if reconciler.config is None or reconciler.leases is None:
        return {"config": None, "leases": [], "refused": {}}
    leases = reconciler.leases
    return {
        "config": reconciler.config.as_json(),
        "leases": [lease.as_json() for lease in (leases.own, *leases.peers)],
        "refused": leases.refused,
    }


def status(daemon: Daemon) -> dict[str, Any]:
    """How the agent is, JSON-ready."""
    reconciler = daemon.reconciler
    return {
        "summary": daemon.summary(),
        "level": reconciler.level,
        "ready": unready(daemon),
        "since": daemon.started,
        "level_since": daemon.level_since,
        "last_look": daemon.last_look,
        "last_took": round(daemon.last_took, 4),
        "longest_took": round(daemon.longest_took, 4),
        "looks": dict(reconciler.looks),
        "failures": reconciler.failures,
        "drift": {kind: count for (cause, kind), count in sorted(reconciler.changes.items()) if cause == "drift"},
        "refused": reconciler.refused(),
        "warnings": reconciler.warnings,
        "source": daemon.source.status(),
        "addresses_released": daemon.sweeper.swept,
        "pid": os.getpid(),
    }


def metrics(daemon: Daemon) -> str:
    """All figures, in the text format 0.0.4."""
    reconciler = daemon.reconciler
    lines: list[str] = []

    def add(name: str, kind: str, text: str, samples: Iterable[tuple[dict[str, str], float]]) -> None:
        lines.append(f"# HELP podnet_{name} {text}")
        lines.append(f"# TYPE podnet_{name} {kind}")
        for labels, value in samples:
            told = ",".join(f'{key}="{_escape(label)}"' for key, label in labels.items())
            lines.append(f"podnet_{name}{{{told}}} {value:g}" if told else f"podnet_{name} {value!r}")

    def one(name: str, kind: str, text: str, value: float) -> None:
        add(name, kind, text, [({}, value)])

    one("up", "gauge", "1: the agent runs.", 1)
    one("level", "gauge", "1: the last look found all as it must be, or made it so.", int(reconciler.level))
    peers = len(reconciler.leases.peers) if reconciler.leases else 0
    one("peers", "gauge", "Peers with a usable lease.", peers)
    one(
        "peers_refused", "gauge", "Peers that are not served; the log and podnetctl say why.", len(reconciler.refused())
    )
    looks = [({"kind": kind}, float(reconciler.looks[kind])) for kind in ("full", "partial")]
    add("looks_total", "counter", "Looks at everything, and at what leads to changed peers.", looks)
    one("look_failures_total", "counter", "Looks that failed or left something undone.", reconciler.failures)
    one("look_seconds", "gauge", "How long the last look took.", daemon.last_took)
    one("look_timestamp_seconds", "gauge", "When the last look was.", daemon.last_look or 0.0)
    changes: dict[str, list] = {"drift": [], "leases": []}
    for (cause, kind), count in sorted(reconciler.changes.items()):
        changes[cause].append(({"object": kind}, float(count)))
    add("drift_total", "counter", "Objects put right that were right before.", changes["drift"])
    add("changes_total", "counter", "Objects changed because leases or configuration did.", changes["leases"])
    one("warnings", "gauge", "What is wrong around the overlay; podnetctl status tells.", len(reconciler.warnings))
    one("addresses_released_total", "counter", "Reservations of containers that are gone.", daemon.sweeper.swept)
    source = daemon.source.status()
    add("source_connected", "gauge", "1: the source of leases follows changes.",
        [({"type": str(source.get("type", ""))}, int(bool(source.get("connected"))))])  # fmt: skip
    for key, value in source.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            one(f"source_{key}", "untyped", "Of the source.", value)
    if daemon.prober:
        asked = [({"peer": name}, figures) for name, figures in daemon.prober.totals()]
        add("peer_reachable", "gauge", "1: the peer answered the last echo request.",
            [(peer, int(each.reachable)) for peer, each in asked if each.reachable is not None])  # fmt: skip
        add("peer_round_trip_seconds", "gauge", "The last answer's round trip.",
            [(peer, each.seconds) for peer, each in asked if each.seconds is not None])  # fmt: skip
        add(
            "peer_requests_total",
            "counter",
            "Echo requests sent to the peer.",
            [(peer, each.sent) for peer, each in asked],
        )
        add(
            "peer_lost_total",
            "counter",
            "Echo requests that were not answered.",
            [(peer, each.lost) for peer, each in asked],
        )
    one("resident_bytes", "gauge", "The agent's resident memory.", _resident())
    one("cpu_seconds_total", "counter", "The agent's processor time.", round(time.process_time(), 3))
    return "\n".join(lines) + "\n"


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
