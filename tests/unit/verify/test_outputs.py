# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for machines: JUnit's XML, and the documented keys of its JSON."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli import render_report
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks.report import report
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.api import cluster
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.check import CheckName
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import Endpoint
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.hop import Hop, Step
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.path import Direction, Path
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.trace import Fault, Trace
from ansible_collections.podnet.cluster.plugins.plugin_utils.junit import render

from .conftest import NAMESPACE, PORT, lose

A, B = Endpoint("pod", "a", "10.244.0.2", "node1"), Endpoint("pod", "b", "10.244.1.2", "node2")


def broken_trace():
    """A trace whose route is shadowed, on the forward path."""
    hop = Hop("node1", Step.ROUTE, "route to 10.244.1.2", "dev eth0", "dev flannel.1")
    parameters = {"route": "<10.244.1.0/25>", "origin": "added by hand", "expected": "flannel.1"}
    hop.fail(Code.ROUTE_SHADOWED, "10.244.1.2", remove="ip route delete x", **parameters)
    path = Path(Direction.FORWARD, A, B, [hop])
    return Trace(A, B, False, Fault(path, hop), [path], [])


@pytest.fixture
def judged(items, found):
    """A report with a check, a probe and a trace that failed."""
    items[0]["status"]["conditions"][0].update(status="False", message="the disk is full")
    lose(found["node1"].results[0], Code.PROBE_ERROR, error="no answer & no route")
    return report(cluster(items), found, NAMESPACE, PORT, True, [broken_trace()])


@pytest.fixture
def spoiled(judged):
    """The same as JSON."""
    return render_report.report_as_json(judged)


def test_junit_has_a_case_for_each_check_probe_and_trace(spoiled):
    suite = ElementTree.fromstring(render(spoiled).encode())
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.get("tests")) == len(spoiled["checks"]) + len(spoiled["probes"]) + 1
    failed = {case.get("classname"): case.find("failure") for case in cases if case.find("failure") is not None}
    assert len(failed) == int(suite.get("failures")) == 3
    types = {name: failure.get("type") for name, failure in failed.items()}
    assert types == {
        "checks.node Ready": "node.not-ready",
        "probes.node to pod": "probe.error",
        "traces": "route.shadowed",
    }
    assert "the disk is full" in failed["checks.node Ready"].text
    assert failed["checks.node Ready"].text.endswith(spoiled["failures"][0]["finding"]["fix"])
    assert "no answer & no route" in failed["probes.node to pod"].get("message")
    assert "<10.244.1.0/25>" in failed["traces"].text
    assert failed["traces"].text.endswith("fix: ip route delete x")
    assert all(float(case.get("time")) >= 0 for case in cases)


def test_junit_has_a_code_for_a_trace_that_found_no_fault(items, found):
    judged = report(cluster(items), found, NAMESPACE, PORT, True, [Trace(A, B, False, None, [], [])])
    suite = ElementTree.fromstring(render(render_report.report_as_json(judged)).encode())
    (case,) = [case for case in suite.findall("testcase") if case.get("classname") == "traces"]
    assert case.find("failure").get("type") == Code.TRACE_UNEXPLAINED


def test_a_failure_carries_code_parameters_and_the_fault_that_explains_it(spoiled):
    check, trace, probe = spoiled["failures"]
    assert [entry["kind"] for entry in (check, trace, probe)] == ["check", "trace", "probe"]
    parameters = {"reason": "the disk is full", "units": "kubelet containerd"}
    assert (check["fault"]["code"], check["fault"]["parameters"]) == ("node.not-ready", parameters)
    assert (trace["fault"]["code"], trace["fault"]["step"], trace["trace"]) == ("route.shadowed", "route", 0)
    assert trace["ends"] == ["node1", "node2"]
    assert (probe["finding"]["code"], probe["fault"], probe["trace"]) == ("probe.error", None, None)


def documented(root, file: str, heading: str) -> set[str]:
    """The keys in the first column of the table below a heading."""
    text = (root / "docs" / file).read_text().partition(heading)[2]
    rows = text.partition("| Key | |")[2].partition("\n\n")[0].splitlines()
    return {key for row in rows[2:] for key in re.findall(r"`(\w+)`", row.split(" | ")[0])}


def test_the_keys_of_the_report_are_documented(root, spoiled):
    told = (root / "docs/verify-report.md").read_text()
    assert documented(root, "verify-report.md", "# ") == set(spoiled)
    assert f"| `schema` | {render_report.SCHEMA} |" in told
    for part in ("nodes", "pods", "probes", "checks", "failures", "flows", "tunnels"):
        unknown = {key for key in spoiled[part][0] if f"`{key}`" not in told}
        assert not unknown, (part, unknown)
    assert not {key for key in spoiled["coverage"] if f"`{key}`" not in told}
    finding = spoiled["failures"][0]["finding"]
    assert not {key for key in finding if f"`{key}`" not in told.partition("## A finding")[2]}


def test_the_names_of_the_checks_are_documented(root):
    listed = re.findall(r"`([^`]+)`", (root / "docs/verify-report.md").read_text().partition("| Of | Checks")[2])
    assert sorted(listed) == sorted(name.value for name in CheckName)
