# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for machines: JUnit's XML, and the documented keys of its JSON."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks.report import SCHEMA, report
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.api import cluster
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.hop import STEPS
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace import verdict
from ansible_collections.podnet.cluster.plugins.plugin_utils.junit import render

from .conftest import NAMESPACE, PORT

TRACE = {
    "ok": False,
    "from": {"name": "a", "node": "node1", "address": "10.244.0.2"},
    "to": {"name": "b", "node": "node2", "address": "10.244.1.2"},
    "verdict": {"node": "node1", "step": "route", "cause": "another's <route>", "cure": "ip route delete x"},
}


@pytest.fixture
def spoiled(items, found):
    """A report with a check, a probe and a trace that failed."""
    items[0]["status"]["conditions"][0].update(status="False", message="the disk is full")
    found["node1"]["results"][0].update(ok=False, ms=None, reason="no answer & no route")
    return report(cluster(items), found, NAMESPACE, PORT, True, [TRACE])


def test_junit_has_a_case_for_each_check_probe_and_trace(spoiled):
    suite = ElementTree.fromstring(render(spoiled).encode())
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.get("tests")) == len(spoiled["checks"]) + len(spoiled["probes"]) + 1
    failed = {case.get("classname"): case.find("failure") for case in cases if case.find("failure") is not None}
    assert len(failed) == int(suite.get("failures")) == 3
    assert failed["checks.node is Ready"].text == "the disk is full\ncure: " + spoiled["failures"][0]["cure"]
    assert failed["probes.node to pod"].get("message") == "no answer & no route"
    assert failed["traces"].text == "another's <route>\ncure: ip route delete x"
    assert all(float(case.get("time")) >= 0 for case in cases)


def documented(root, file: str, heading: str) -> set[str]:
    """The keys in the first column of the table below a heading."""
    text = (root / "docs" / file).read_text().partition(heading)[2]
    rows = text.partition("| Key | |")[2].partition("\n\n")[0].splitlines()
    return {key for row in rows[2:] for key in re.findall(r"`(\w+)`", row.split(" | ")[0])}


def test_the_keys_of_the_report_are_documented(root, spoiled):
    told = (root / "docs/verify-report.md").read_text()
    assert documented(root, "verify-report.md", "# ") == set(spoiled)
    assert f"| `schema` | {SCHEMA} |" in told
    for part in ("nodes", "pods", "probes", "checks", "failures", "flows", "tunnels"):
        unknown = {key for key in spoiled[part][0] if f"`{key}`" not in told}
        assert not unknown, (part, unknown)
    assert not {key for key in spoiled["coverage"] if f"`{key}`" not in told}


def test_the_keys_of_a_trace_and_the_hops_are_documented(root):
    told = (root / "docs/tracing.md").read_text()
    keys = {"schema", "from", "to", "ok", "verdict", "legs", "probes", "notes"}
    assert documented(root, "tracing.md", "## A trace as JSON") == keys
    assert f"| `schema` | {verdict.SCHEMA} |" in told
    assert not {step for step in STEPS if f"`{step}`" not in told}
