# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States and evidence of a healthy cluster, as recorded, for the tests to alter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import Endpoint
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.evidence import SMALL, ProbeResult
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.hop import CapturePoint, Hop
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import PodState, state_from
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.trace import Trace
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace import round_trip, verdict

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
A1, B1 = Endpoint("pod", "default/a1", "10.244.1.2", "node1"), Endpoint("pod", "default/b1", "10.244.1.3", "node1")
A2, NODE2 = Endpoint("pod", "default/a2", "10.244.2.2", "node2"), Endpoint("node", "node2", "10.77.0.12", "node2")


class Recorded:
    """A trace of a healthy cluster: the ends, and its nodes' states by name."""

    def __init__(self, name: str, target: Endpoint) -> None:
        values = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
        self.states = {state.node: state for state in map(state_from, values)}
        self.source, self.target = A1, target

    @property
    def one(self):
        return self.states["node1"]

    @property
    def other(self):
        return self.states["node2"]

    def pod(self, name: str) -> PodState:
        return next(pod for state in self.states.values() for pod in state.pods if pod.name == f"default/{name}")

    @property
    def probes(self) -> list[ProbeResult]:
        return self.one.evidence.probes

    def judge(self) -> Trace:
        return verdict.judge(self.source, self.target, [*self.states.values()])

    def verdict(self) -> tuple[str, str, Code]:
        """Node, kind of hop and code of the fault."""
        fault = self.judge().fault
        assert fault and fault.hop.finding
        return fault.hop.node, str(fault.hop.step), fault.hop.finding.code

    def hops(self) -> list[Hop]:
        return [hop for path in self.judge().paths for hop in path.hops]

    def suspected(self) -> set[Code]:
        return {finding.code for hop in self.hops() for finding in hop.suspected}

    def lose(
        self, node: str, point: CapturePoint, kinds: tuple[str, ...] = ("icmp",), large: bool | None = None
    ) -> None:
        """Packets of these kinds (of this size) are not seen from that capture point on, nor answered."""
        gone = False
        for path in round_trip.walk(self.source, self.target, self.states.values()):
            for hop in path.hops:
                gone = gone or (hop.node == node and point in hop.capture_points)
                evidence = self.states[hop.node].evidence if gone else None
                if evidence:
                    evidence.captures = [
                        each
                        for each in evidence.captures
                        if each.point not in hop.capture_points
                        or each.packet.path != path.direction
                        or each.packet.kind not in kinds
                        or large not in (None, each.packet.large)
                    ]
        for probe in self.probes:
            if probe.scope == "path" and probe.kind in kinds and large in (None, probe.size != SMALL):
                self.fail(probe)

    def fail(self, probe: ProbeResult, code: Code = Code.PROBE_NO_ANSWER, **parameters) -> None:
        probe.ok = False
        told = {"source": probe.source, "address": probe.address, "timeout": 0.4, **parameters}
        probe.failure = Finding(code, "node1", probe.target, told)


@pytest.fixture
def between_nodes() -> Recorded:
    """From a1 on node1 to a2 on node2."""
    return Recorded("between_nodes", A2)


@pytest.fixture
def on_one_bridge() -> Recorded:
    """From a1 to b1, both on node1."""
    return Recorded("on_one_bridge", B1)


@pytest.fixture
def to_a_node() -> Recorded:
    """From a1 on node1 to node2 itself."""
    return Recorded("to_a_node", NODE2)
