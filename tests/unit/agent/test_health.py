# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health and readiness, by what the agent knows of itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent import health, metrics
from ansible_collections.podnet.cluster.plugins.module_utils.agent.inotify import Watch
from ansible_collections.podnet.cluster.plugins.module_utils.agent.reconciler import Reconciler
from ansible_collections.podnet.cluster.plugins.module_utils.agent.settings import Settings
from ansible_collections.podnet.cluster.plugins.module_utils.agent.sources.source import SourceStatus
from ansible_collections.podnet.cluster.plugins.module_utils.agent.state import State
from ansible_collections.podnet.cluster.plugins.module_utils.cli import status
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import admission, config

OUT_OF_SYNC = Finding(Code.AGENT_OUT_OF_SYNC, "node1", "node1", {"error": "flannel.1: operation not permitted"})


@pytest.fixture
def state():
    """Of an agent that is in sync with one peer, and whose source is connected."""
    told = SourceStatus("kubernetes", "https://192.0.2.1:6443", True, synced=True, counters={"nodes": 2})
    reconciler = Reconciler("/nowhere/subnet.env", None)
    entries = [
        {"name": name, "address": f"192.0.2.{number}", "pod_cidrs": [f"10.244.{number}.0/24"]}
        for number, name in enumerate(("node1", "node2"), 1)
    ]
    settings = config.parse({"node_name": "node1", "networks": ["10.244.0.0/16"]})
    reconciler.learn(settings, admission.admit(settings, entries))
    reconciler.in_sync = True
    made = State(Settings(), reconciler, lambda: told, None)
    yield made
    reconciler.close()


def codes(findings) -> list[Code]:
    return [each.code for each in findings]


def test_in_sync_and_connected_it_is_healthy_and_ready(state):
    assert health.unhealthy(state) == health.unready(state) == []
    assert health.summary(state) == "in sync, 1 peers, 0 refused"
    assert health.lines([]) == "ok\n" and health.reason(state) == ""


def test_out_of_sync_it_is_neither(state):
    state.reconciler.in_sync, state.reconciler.problem = False, OUT_OF_SYNC
    assert health.unhealthy(state) == health.unready(state) == [OUT_OF_SYNC]
    assert health.lines([OUT_OF_SYNC]) == "node1 cannot be reconciled: flannel.1: operation not permitted\n"
    assert health.status(state)["not_ready"][0]["parameters"] == {"error": "flannel.1: operation not permitted"}


def test_without_its_source_it_is_healthy_and_not_ready(state):
    told = state.source()._replace(connected=False, reason="Connection refused")
    state.source = lambda: told
    assert health.unhealthy(state) == []
    (found,) = health.unready(state)
    assert (found.code, found.subject) == (Code.AGENT_SOURCE_LOST, "https://192.0.2.1:6443")
    assert found.parameters == {"error": "Connection refused"}


def test_before_the_source_knows_anything_it_is_not_ready(state):
    state.reconciler.leases = None
    assert codes(health.unready(state)) == [Code.AGENT_NO_LEASES]
    assert health.summary(state) == "waiting for the lease source"


def test_an_invalid_configuration_is_the_reason_where_there_is_one(state):
    state.invalid = Finding(Code.AGENT_CONFIGURATION_INVALID, "node1", "node1", {"error": "leases.json: is not JSON"})
    assert health.unhealthy(state) == [] and health.unready(state) == [state.invalid]


def test_an_agent_that_does_nothing_any_more_is_stalled(state, monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    state.reconciled(999.0, True)
    clock.now += health.MISSED * state.settings.resync + 1
    (found,) = health.unhealthy(state)
    assert found.code == Code.AGENT_STALLED and found.parameters == {"seconds": 181}


def test_what_the_agent_lacks(state, tmp_path, monkeypatch):
    watch = Watch(str(tmp_path))
    assert health.warnings(state, {}, watch) == []
    monkeypatch.setattr(watch, "able", lambda: False)
    watch.reason = "inotify: Too many open files"
    listener, inotify = health.warnings(state, {"192.0.2.9:9441": "Cannot assign requested address"}, watch)
    assert (listener.code, listener.subject) == (Code.AGENT_NOT_LISTENING, "192.0.2.9:9441")
    assert (inotify.code, inotify.subject) == (Code.AGENT_NO_INOTIFY, str(tmp_path))
    assert inotify.parameters == {"error": "inotify: Too many open files", "resync": 60}
    watch.close()


def test_the_page_has_every_key_of_the_status(state):
    page = (Path(__file__).resolve().parents[3] / "docs/agent.md").read_text(encoding="utf-8")
    told = page.partition("## Status")[2].partition("## Warnings")[0]
    assert f"Both have `schema` {health.SCHEMA}." in told and health.SCHEMA == status.SCHEMA
    missing = {key for key in health.status(state) if f"`agent.{key}`" not in told}
    missing |= {key for key in status.Status._fields if f"`{key}`" not in told}
    assert missing == {"schema"}


def test_a_source_as_json():
    """docs/agent.md: "reason" where there is one, the place by what it is, the counters beside it."""
    lost = SourceStatus("file", "/etc/podnet", False, "inotify: Too many open files")
    assert lost.as_json() == {
        "type": "file", "directory": "/etc/podnet", "connected": False, "reason": "inotify: Too many open files",
    }  # fmt: skip
    found = SourceStatus("kubernetes", "https://192.0.2.1", True, synced=False, counters={"nodes": 2}).as_json()
    assert found == {
        "type": "kubernetes", "server": "https://192.0.2.1", "connected": True, "nodes": 2, "synced": False,
    }  # fmt: skip


def test_metrics_count_warnings_by_code(state):
    state.warnings = [Finding(Code.OVERLAY_FORWARD_DROPPED, "node1", chain, {"accept": "x"}) for chain in ("a", "b")]
    found = {family.name: family.samples for family in metrics.families(state)}
    assert found["podnet_warnings"] == [({"code": "overlay.forward-dropped"}, 2)]
    assert found["podnet_in_sync"] == [({}, True)] and found["podnet_source_nodes"] == [({}, 2)]


def test_a_full_pod_cidr_is_a_warning_and_a_figure(state, tmp_path):
    state.settings = Settings(cni=str(tmp_path))
    network = tmp_path / "networks" / "podnet"
    network.mkdir(parents=True)
    watch = Watch(str(tmp_path))
    for number in range(2, 254):
        (network / f"10.244.1.{number}").touch()
    assert health.warnings(state, {}, watch) == []
    (network / "10.244.1.254").touch()
    (found,) = health.warnings(state, {}, watch)
    assert (found.code, found.subject, found.parameters) == (Code.IPAM_EXHAUSTED, "10.244.1.0/24", {"room": 253})
    assert health.unready(state) == []
    assert health.status(state)["addresses"] == [{"pod_cidr": "10.244.1.0/24", "reserved": 253, "room": 253}]
    figures = {family.name: family.samples for family in metrics.families(state)}
    assert figures["podnet_pod_addresses_reserved"] == [({"pod_cidr": "10.244.1.0/24"}, 253)]
    assert figures["podnet_pod_addresses"] == [({"pod_cidr": "10.244.1.0/24"}, 253)]
