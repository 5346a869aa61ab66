# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks and probes of a node as JSON (docs/verify-report.md has the keys): here their findings get texts."""

from __future__ import annotations

from typing import Any

from ..findings import render as words
from ..findings.finding import Finding
from ..records.codec import to_json
from ..verify.model.answer import NodeAnswer
from ..verify.model.check import Check
from ..verify.model.evidence import ProbeResult


def check_as_json(check: Check) -> dict[str, Any]:
    return {**to_json(check), "finding": finding_as_json(check.finding)}


def probe_as_json(result: ProbeResult) -> dict[str, Any]:
    return {**to_json(result), "failure": finding_as_json(result.failure), "denied": finding_as_json(result.denied)}


def finding_as_json(finding: Finding | None) -> dict[str, Any] | None:
    return words.as_json(finding) if finding else None


def probe_text(result: ProbeResult) -> str:
    """What was probed, and why it failed."""
    why = words.text(result.failure) if result.failure else "answered"
    return f"{result.kind} from {result.source} to {result.target}: {why}"


def answer_as_json(answer: NodeAnswer) -> dict[str, Any]:
    """A node's answer, its findings with their words."""
    return {
        **to_json(answer),
        "results": [probe_as_json(result) for result in answer.results],
        "checks": [check_as_json(check) for check in answer.checks],
    }
