# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Health, readiness and status of the agent, as findings and as JSON. docs/agent.md has the schema."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..findings import render
from ..findings.codes import Code
from ..findings.finding import Finding, Value
from .inotify import Watch
from .policies import report as policies
from .state import State

#: The version of what ``status`` returns.
SCHEMA = 3
#: So many missed full reconciliations, and something is wrong with the agent itself.
MISSED = 3


def unhealthy(state: State) -> list[Finding]:
    """Why the agent does not do its work; a restart may help. Empty when it does."""
    found = []
    if state.idle() > MISSED * state.settings.resync:
        found.append(Finding(Code.AGENT_STALLED, state.node, "podnetd", {"seconds": round(state.idle())}))
    if state.reconciler.problem and state.reconciler.leases is not None:
        found.append(state.reconciler.problem)
    return found


def unready(state: State) -> list[Finding]:
    """Why pods of this node may not reach all peers. Empty when they do."""
    found = unhealthy(state)
    source = state.source()
    error = source.reason or "not connected"
    if state.invalid:
        found.append(state.invalid)
    elif state.reconciler.leases is None:
        found.append(Finding(Code.AGENT_NO_LEASES, state.node, "podnetd", {"error": error}))
    if not source.connected:
        found.append(Finding(Code.AGENT_SOURCE_LOST, state.node, source.place, {"error": error}))
    return found + (policies.unready(state.enforcer) if state.enforcer else [])


def warnings(state: State, not_listening: Mapping[str, str], watch: Watch) -> list[Finding]:
    """What the node lacks and the agent cannot get by itself: listeners, by place with the error, the ``watch`` of
    subnet.env's directory, free pod addresses."""
    found = [
        Finding(Code.AGENT_NOT_LISTENING, state.node, where, {"error": error}) for where, error in not_listening.items()
    ]
    if not watch.able():
        lacks: dict[str, Value] = {"error": watch.reason, "resync": int(state.settings.resync)}
        found.append(Finding(Code.AGENT_NO_INOTIFY, state.node, watch.directory, lacks))
    for each in state.addresses():
        if each.full:
            found.append(Finding(Code.IPAM_EXHAUSTED, state.node, str(each.pod_cidr), {"room": each.room}))
    return found


def lines(findings: list[Finding]) -> str:
    """What ``/healthz`` and ``/readyz`` answer: a line for each finding, or "ok"."""
    return "".join(f"{render.text(each)}\n" for each in findings) or "ok\n"


def reason(state: State) -> str:
    """Why the node is out of sync, for the NetworkUnavailable condition; "" when it is in sync."""
    return render.text(state.reconciler.problem) if state.reconciler.problem else ""


def summary(state: State) -> str:
    """The node in one line."""
    if state.invalid:
        return render.text(state.invalid)
    reconciler = state.reconciler
    if reconciler.leases is None:
        return "waiting for the lease source"
    peers = f"{len(reconciler.leases.peers)} peers, {len(reconciler.refused())} refused"
    return f"out of sync: {render.text(reconciler.problem)}; {peers}" if reconciler.problem else f"in sync, {peers}"


def known(state: State) -> dict[str, Any]:
    """The configuration and the leases that the agent goes by, as ``podnetctl`` reads them."""
    config, leases = state.reconciler.config, state.reconciler.leases
    if config is None or leases is None:
        return {"config": None, "leases": [], "refused": {}}
    return {
        "config": config.as_json(),
        "leases": [lease.as_json() for lease in (leases.own, *leases.peers)],
        "refused": {name: refused.as_json() for name, refused in leases.refused.items()},
    }


def status(state: State) -> dict[str, Any]:
    reconciler = state.reconciler
    return {
        "schema": SCHEMA,
        "summary": summary(state),
        "in_sync": reconciler.in_sync,
        "in_sync_since": state.in_sync_since,
        "not_ready": [render.as_json(each) for each in unready(state)],
        "started_at": state.started_at,
        "reconciled_at": state.reconciled_at,
        "duration": round(state.duration, 4),
        "longest_duration": round(state.longest_duration, 4),
        "reconciliations": dict(reconciler.reconciliations),
        "failures": reconciler.failures,
        "drift": {kind: count for (cause, kind), count in sorted(reconciler.changes.items()) if cause == "drift"},
        "refused": {name: render.as_json(refused) for name, refused in reconciler.refused().items()},
        "warnings": [render.as_json(each) for each in state.warnings],
        "source": state.source().as_json(),
        "addresses": [
            {"pod_cidr": str(each.pod_cidr), "reserved": each.reserved, "room": each.room} for each in state.addresses()
        ],
        "addresses_released": state.addresses_released,
        "policy": policies.status(state.enforcer)._asdict() if state.enforcer else None,
        "metrics": state.metrics_writer,
        "pid": os.getpid(),
    }
