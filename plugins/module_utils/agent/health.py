# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the agent tells of itself: health, its status, and what it knows."""

from __future__ import annotations

import os
import time
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
        "warnings": daemon.warnings(),
        "source": daemon.source.status(),
        "addresses_released": daemon.sweeper.swept,
        "metrics": daemon.web.writer,
        "pid": os.getpid(),
    }
