# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose evidence counts, and what is noted besides the fault."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.evidence import (
    Capture,
    Evidence,
    Packet,
    ProbeResult,
)
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.hop import NODE, CapturePoint
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import BaseChain
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.path import Direction
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace import verdict

RECORD = Capture(CapturePoint(NODE, "eth0", "in"), Packet(Direction.FORWARD, "icmp", False, "a", "b"), 1)
SENDER = Evidence("node1", "mark", True, 100.0, 101.1, False, captures=[RECORD])
LOST = [ProbeResult("a", "b", "path", "icmp", "b")]
PASSED = [ProbeResult("a", "b", "path", "icmp", "b", ok=True)]


@pytest.mark.parametrize(
    ("watched", "seen", "complete", "probes", "missed"),
    [
        ((99.5, 102.0), [], False, LOST, False),
        ((99.5, 102.0), [RECORD], False, LOST, False),
        ((100.2, 102.0), [RECORD], False, LOST, True),  # it began too late
        ((99.5, 100.9), [], False, LOST, True),  # it left before the last packet, which it may have seen
        ((99.5, 100.9), [RECORD], False, LOST, True),
        ((99.5, 100.2), [RECORD], True, LOST, False),  # and did so since it had seen all
        ((99.5, 99.9), [], False, LOST, True),
        ((99.5, 102.0), [], False, PASSED, True),
        ((99.5, 102.0), [RECORD], False, PASSED, False),
    ],
)
def test_a_node_that_did_not_watch_from_the_first_packet_to_the_last_missed_them(
    watched, seen, complete, probes, missed
):
    watcher = Evidence("node2", "mark", False, *watched, complete, captures=seen)
    assert verdict.missed(watcher, [SENDER, watcher], probes) is missed
    assert not verdict.missed(SENDER, [SENDER, watcher], probes)


def test_late_evidence_is_noted_and_accuses_nobody(between_nodes):
    between_nodes.lose("node2", CapturePoint(NODE, "cni0", "out"))
    late = between_nodes.other.evidence
    late.began, late.complete = between_nodes.one.evidence.began + 1, False
    trace = between_nodes.judge()
    assert trace.fault.hop.node == "node1"
    assert [(note.code, note.subject) for note in trace.notes] == [(Code.TRACE_WINDOW_MISSED, "node2")]


def test_other_faults_and_suspects_are_notes(between_nodes):
    between_nodes.one.links["flannel.1"].up = False
    between_nodes.one.chains = [BaseChain("inet", "fw", "x", "forward", drops=True, dropping=["x"])]
    trace = between_nodes.judge()
    assert trace.fault.hop.finding.code == Code.TUNNEL_DOWN
    assert Code.CHAIN_DROPS in {note.code for note in trace.notes}
