# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trace in words, and as JSON with its schema (cli/render_trace.py, docs/tracing.md)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli import render_trace
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.hop import NODE, CapturePoint, Step
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import BaseChain

PAGE = Path(__file__).resolve().parents[4] / "docs/tracing.md"
FINDING = {"code", "node", "subject", "parameters", "text", "fix"}


def test_its_words_come_with_its_data(between_nodes):
    between_nodes.lose("node2", CapturePoint(NODE, "eth0", "in"))
    trace = between_nodes.judge()
    told = render_trace.as_json(trace)
    assert told["schema"] == render_trace.SCHEMA
    found = told["verdict"]
    assert (found["code"], found["node"], found["step"], found["direction"]) == (
        "wire.blocked", "node1", "wire", "forward",
    )  # fmt: skip
    assert found["parameters"] == {"peer": "node2", "address": "10.77.0.12"} and found["text"] and found["fix"]
    assert found["evidence"]["code"] == "packets.lost"
    shown = render_trace.render(trace)
    assert "Broken at node1, UDP 8472 from 10.77.0.11 to 10.77.0.12 (forward path):" in shown
    assert found["text"] in shown and found["fix"] in shown and found["evidence"]["text"] in shown


def test_a_healthy_path_in_words(between_nodes):
    shown = render_trace.render(between_nodes.judge())
    assert shown.endswith("Path OK.\n")
    assert "→ default/a1 (10.244.1.2) on node1 to default/a2 (10.244.2.2) on node2" in shown


def test_a_loss_that_no_hop_explains_is_a_finding_too(between_nodes):
    trace = between_nodes.judge()
    trace.ok = False
    assert trace.finding.code == Code.TRACE_UNEXPLAINED and trace.finding.node == "node1"
    shown = render_trace.render(trace)
    assert "packets from default/a1 (10.244.1.2) to default/a2 (10.244.2.2) are lost" in shown
    assert "fix:      tcpdump -ni any host 10.244.2.2" in shown
    assert render_trace.as_json(trace)["verdict"] is None


def documented(after: str) -> set[str]:
    """The keys in the first column of the table that follows these words."""
    table = PAGE.read_text(encoding="utf-8").partition(after)[2].partition("| Key | |")[2].partition("\n\n")[0]
    return {key for row in table.splitlines()[2:] for key in re.findall(r"`(\w+)`", row.split(" | ")[0])}


@pytest.fixture
def told(between_nodes) -> dict:
    """A broken path as JSON: a chain that is convicted, and another that is suspected."""
    between_nodes.other.chains = [
        BaseChain("ip", "filter", "FORWARD", "forward", drops=True, dropping=["FORWARD"]),
        BaseChain("inet", "fw", "x", "forward", drops=True, policy_drops=True),
    ]
    between_nodes.lose("node2", CapturePoint(NODE, "cni0", "out"))
    return json.loads(json.dumps(render_trace.as_json(between_nodes.judge())))


def test_its_keys_are_documented(told):
    page = PAGE.read_text(encoding="utf-8")
    assert documented("## A trace as JSON") == set(told)
    assert f"| `schema` | {render_trace.SCHEMA} |" in page
    hops = [hop for path in told["paths"] for hop in path["hops"]]
    assert all(set(hop) == documented("A hop has:") for hop in hops)
    assert set(told["verdict"]) == FINDING | {"step", "hop", "direction", "suspected", "evidence"}
    assert set(told["paths"][0]) == {"direction", "source", "target", "hops"}
    assert not {key for key in told["probes"][0] if f"`{key}`" not in page}


def test_every_finding_has_its_words(told):
    found = [told["verdict"]["evidence"], *told["verdict"]["suspected"]]
    found += [probe["failure"] for probe in told["probes"] if not probe["ok"]]
    assert found and all(set(finding) == FINDING for finding in found)


def test_every_step_is_documented():
    page = PAGE.read_text(encoding="utf-8")
    of_checks = {Step.CNI, Step.IPAM, Step.SUBNET_ENV}
    assert not {str(step) for step in set(Step) - of_checks if f"`{step}`" not in page}
