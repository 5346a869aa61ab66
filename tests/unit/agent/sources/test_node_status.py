# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The patch of our own Node, and when it is due."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.backoff import Backoff
from ansible_collections.podnet.cluster.plugins.module_utils.agent.sources import node_status as module

KEY = "flannel.alpha.coreos.com/public-ip"


def node(annotations: dict[str, str] | None = None, status: str = "") -> dict:
    conditions = [{"type": "NetworkUnavailable", "status": status}] if status else []
    return {"metadata": {"name": "node1", "annotations": annotations or {}}, "status": {"conditions": conditions}}


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def status(clock):
    return module.NodeStatus(Backoff(1.0, 8.0))


def test_before_both_sides_are_known_nothing_is_due(status):
    assert status.patch() == {} and status.due() is None
    status.want({KEY: "192.0.2.1"}, True, "")
    assert status.patch() == {} and status.due() is None


def test_what_differs_is_patched_at_once_and_no_more(status):
    status.want({KEY: "192.0.2.1"}, True, "")
    status.observe(node())
    patch = status.patch()
    assert patch["metadata"] == {"annotations": {KEY: "192.0.2.1"}}
    (condition,) = patch["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("NetworkUnavailable", "False")
    status.patched(node({KEY: "192.0.2.1"}, "False"))
    assert status.patch() == {} and status.due() is None and status.patches == 1


def test_that_the_network_is_unavailable_is_said_late_and_annotations_are_not(status, clock):
    status.observe(node(status="False"))
    status.want({}, False, "flannel.1 is missing")
    assert status.patch() == {} and status.due() == clock.now + module.PATIENCE
    status.want({KEY: "192.0.2.1"}, False, "flannel.1 is missing")
    assert status.patch() == {"metadata": {"annotations": {KEY: "192.0.2.1"}}}, "annotations alone"
    clock.now += module.PATIENCE
    (condition,) = status.patch()["status"]["conditions"]
    assert (condition["status"], condition["message"]) == ("True", "flannel.1 is missing")


def test_drift_that_is_repaired_in_time_is_never_said(status, clock):
    status.observe(node(status="False"))
    status.want({}, False, "drift")
    clock.now += module.PATIENCE - 1
    status.want({}, True, "")
    assert status.patch() == {} and status.due() is None


def test_a_refused_patch_waits_as_long_as_the_server_asks(status, clock):
    status.observe(node())
    status.want({}, True, "")
    status.failed("429 TooManyRequests", 60.0)
    assert status.patch() == {} and status.due() == clock.now + 60 and status.errors == 1
    assert status.reason == "own Node not patched: 429 TooManyRequests"
    clock.now += 60
    assert status.patch()
