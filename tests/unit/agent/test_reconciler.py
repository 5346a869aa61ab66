# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reconciler reports when it cannot work as it should."""

from __future__ import annotations

import contextlib
import io

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent import reconciler as module
from ansible_collections.podnet.cluster.plugins.module_utils.agent.log import Log
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import admission, config


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def reconciler(stream, monkeypatch):
    """Of a node whose state cannot be read."""

    def unreadable(*_arguments):
        raise OSError("No buffer space available")

    monkeypatch.setattr(module.reconcile, "present", unreadable)
    found = module.Reconciler("/nowhere/subnet.env", Log(stream))
    settings = config.parse({"node_name": "node1", "networks": ["10.244.0.0/16"]})
    entries = [{"name": "node1", "address": "192.0.2.1", "pod_cidrs": ["10.244.1.0/24"]}]
    found.learn(settings, admission.admit(settings, entries))
    yield found
    found.close()


def test_a_node_that_cannot_be_read_is_out_of_sync(reconciler):
    assert not reconciler.reconcile("start", drift=False)
    assert reconciler.problem == Finding(
        Code.AGENT_OUT_OF_SYNC, "node1", "node1", {"error": "No buffer space available"}
    )
    assert (reconciler.failures, reconciler.in_sync) == (1, False)


def test_a_held_lock_is_reported_and_waited_for_once(reconciler, stream, monkeypatch):
    waited = []

    @contextlib.contextmanager
    def held(patience):
        waited.append(patience)
        yield False

    monkeypatch.setattr(module, "locked", held)
    for _time in range(2):
        reconciler.reconcile("start", drift=False)
    assert stream.getvalue().startswith(f"{Code.AGENT_LOCK_HELD}: ")
    assert waited == [module.PATIENCE, 0.1]
