# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's metrics for Prometheus: which there are and their values, not how they are written."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..kube import expiry
from .policies import report as policies
from .state import State

PREFIX = "podnet"


class Family(NamedTuple):
    """All samples of one name: ``kind`` is "gauge", "counter" (the name ends in _total) or "untyped"; a sample is its
    labels and its value."""

    name: str
    kind: str
    help: str
    samples: list[tuple[dict[str, str], float]]


Samples = Iterable[tuple[dict[str, str], float]]


def families(state: State) -> list[Family]:
    """All metrics of now."""
    found = [*_node(state), *_source(state), *_peers(state), *_policies(state), *_process()]
    return [Family(f"{PREFIX}_{name}", kind, text, list(samples)) for name, kind, text, samples in found]


def _one(value: float) -> Samples:
    return [({}, value)]


def _node(state: State) -> Iterator[tuple[str, str, str, Samples]]:
    reconciler = state.reconciler
    in_sync = "1 if the last reconciliation left the node in the desired state."
    yield "in_sync", "gauge", in_sync, _one(reconciler.in_sync)
    peers = len(reconciler.leases.peers) if reconciler.leases else 0
    yield "peers", "gauge", "Peers with a usable lease.", _one(peers)
    yield "peers_refused", "gauge", "Peers whose lease is refused.", _one(len(reconciler.refused()))
    counts = [({"kind": kind}, reconciler.reconciliations[kind]) for kind in ("full", "partial")]
    yield "reconcile_total", "counter", "Reconciliations of everything, and of changed peers alone.", counts
    failures = "Reconciliations that failed or left something undone."
    yield "reconcile_failures_total", "counter", failures, _one(reconciler.failures)
    yield "reconcile_duration_seconds", "gauge", "Duration of the last reconciliation.", _one(state.duration)
    last = "Unix time of the last reconciliation."
    yield "reconcile_timestamp_seconds", "gauge", last, _one(state.reconciled_at or 0)
    changes: dict[str, list[tuple[dict[str, str], float]]] = {"drift": [], "leases": []}
    for (cause, kind), count in sorted(reconciler.changes.items()):
        changes[cause].append(({"object": kind}, count))
    yield "drift_repaired_total", "counter", "Objects that had drifted and were repaired.", changes["drift"]
    changed = "Objects changed because leases or configuration changed."
    yield "lease_changes_total", "counter", changed, changes["leases"]
    yield "warnings", "gauge", "Findings around the overlay, by code.", _by_code(state)
    used = [({"pod_cidr": str(each.pod_cidr)}, each) for each in state.addresses()]
    room = [(cidr, each.room) for cidr, each in used]
    yield "pod_addresses", "gauge", "Addresses of the pod CIDR that pods can have.", room
    reserved = [(cidr, each.reserved) for cidr, each in used]
    yield "pod_addresses_reserved", "gauge", "Addresses of the pod CIDR that are reserved.", reserved
    yield "addresses_released_total", "counter", "Leaked reservations released.", _one(state.addresses_released)
    certificates = [({"path": path}, end) for path, end in expiry.ends().items()]
    yield "certificate_expiry_timestamp_seconds", "gauge", "Unix time at which a certificate expires.", certificates


def _by_code(state: State) -> Samples:
    counts: dict[str, int] = {}
    for each in state.warnings:
        counts[each.code.value] = counts.get(each.code.value, 0) + 1
    return [({"code": code}, count) for code, count in counts.items()]


def _source(state: State) -> Iterator[tuple[str, str, str, Samples]]:
    source = state.source()
    connected = [({"type": source.type}, source.connected)]
    yield "source_connected", "gauge", "1 if the lease source reports changes.", connected
    for key, value in source.counters.items():
        yield f"source_{key}", "untyped", f"The lease source's {key.replace('_', ' ')}.", _one(value)


def _peers(state: State) -> Iterator[tuple[str, str, str, Samples]]:
    if not state.prober:
        return
    asked = [({"peer": name}, figures) for name, figures in state.prober.totals()]
    answered = [(peer, each.reachable) for peer, each in asked if each.reachable is not None]
    yield "peer_reachable", "gauge", "1 if the peer answered the last echo request.", answered
    took = [(peer, each.seconds) for peer, each in asked if each.seconds is not None]
    yield "peer_round_trip_seconds", "gauge", "Round trip of the last answer.", took
    yield (
        "peer_requests_total",
        "counter",
        "Echo requests sent to the peer.",
        [(peer, each.sent) for peer, each in asked],
    )
    lost = [(peer, each.lost) for peer, each in asked]
    yield "peer_lost_total", "counter", "Echo requests without an answer.", lost


def _policies(state: State) -> Iterator[tuple[str, str, str, Samples]]:
    if state.enforcer is None:
        return
    told = policies.status(state.enforcer)
    yield "policy_in_sync", "gauge", "1 if the policies of the API are in force.", _one(told.in_force)
    objects = [({"resource": name}, count) for name, count in told.objects.items()]
    yield "policy_objects", "gauge", "Objects of the API that enforcement knows.", objects
    yield "policy_pods", "gauge", "Pods of this node that are known.", _one(told.pods)
    isolated = [({"direction": name}, count) for name, count in told.isolated.items()]
    yield "policy_isolated_pods", "gauge", "Pods of this node that a policy isolates.", isolated
    live = [({"resource": name}, on) for name, on in told.watching.items()]
    yield "policy_watch_connected", "gauge", "1 if the API server reports changes.", live
    yield "policy_updates_total", "counter", "Changes applied to the table.", _one(told.updates)
    yield "policy_failures_total", "counter", "Changes that the kernel refused.", _one(told.failures)
    drift = "Objects of the table that had drifted and were repaired."
    yield "policy_drift_repaired_total", "counter", drift, _one(told.drift)
    answers = [({"answer": "admitted"}, told.admitted), ({"answer": "refused"}, told.refused)]
    yield "policy_pod_starts_total", "counter", "Pods that asked at their start.", answers
    cut = "Open connections that a changed policy forbids and that were cut."
    yield "policy_connections_cut_total", "counter", cut, _one(told.connections_cut)


def _process() -> Iterator[tuple[str, str, str, Samples]]:
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    yield "resident_memory_bytes", "gauge", "Resident memory of the agent.", _one(resident)
    yield "cpu_seconds_total", "counter", "Processor time of the agent.", _one(round(time.process_time(), 3))
