# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report of verification as JSON (docs/verify-report.md has the keys): here its findings get texts."""

from __future__ import annotations

from typing import Any

from ..findings import render as words
from ..policy.explanation import PolicyState
from ..records.codec import to_json
from ..verify.checks.report import Failure, Report
from ..verify.model.check import Check
from ..verify.model.evidence import ProbeResult
from ..verify.model.trace import Trace
from . import render_trace
from .render_checks import check_as_json, finding_as_json, probe_as_json

#: The number of the report's shape: it goes up with every change that an older reader would misread.
SCHEMA = 4


def report_as_json(report: Report) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "ok": report.ok,
        "namespace": report.namespace,
        "nodes": [{**to_json(node), "vteps": to_json(report.vteps.get(node.name, []))} for node in report.nodes],
        "pods": to_json(report.pods),
        "checks": [check_as_json(check) for check in report.checks],
        "probes": [probe_as_json(result) for result in report.probes],
        "flows": to_json(report.flows),
        "summary": to_json(report.summary),
        "coverage": to_json(report.coverage),
        "tunnels": to_json(report.tunnels),
        "traces": [render_trace.as_json(trace) for trace in report.traces],
        "failures": [_failure(failure) for failure in report.failures],
        "policies": {node: _policies(state) for node, state in report.policies.items()},
    }


def _policies(state: PolicyState) -> dict[str, Any]:
    findings = [words.as_json(each) for each in state.findings]
    return {**{key: to_json(getattr(state, key)) for key in ("origin", "drift", "drops")}, "findings": findings}


def _failure(failure: Failure) -> dict[str, Any]:
    kind, title = _title(failure.failed)
    why = [words.text(failure.finding)] if failure.finding else []
    return {
        "kind": kind,
        "text": ": ".join([*title, *why]),
        "finding": finding_as_json(failure.finding),
        "fault": _fault(failure),
        "trace": failure.trace,
        "ends": list(failure.ends),
    }


def _fault(failure: Failure) -> dict[str, Any] | None:
    """What is to blame, in the form of a trace's verdict; None where it is not known."""
    if failure.fault:
        return render_trace.verdict_as_json(failure.fault)
    check = failure.failed
    if not isinstance(check, Check) or not check.finding:
        return None
    return {**words.as_json(check.finding), "step": to_json(check.step), "suspected": [], "evidence": None}


def _title(failed: Check | ProbeResult | Trace | None) -> tuple[str, list[str]]:
    """The kind of what failed, and its name; none of the run itself."""
    if isinstance(failed, Check):
        return "check", [f"{failed.name}, {failed.subject}"]
    if isinstance(failed, Trace):
        return "trace", [f"{failed.source.name} → {failed.target.name}"]
    if isinstance(failed, ProbeResult):
        return "probe", [f"{failed.scope}, {failed.kind}, {failed.source} → {failed.target}"]
    return "run", []
