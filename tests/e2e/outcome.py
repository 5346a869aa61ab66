# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a run of tests, from ginkgo's JSON report (``ginkgo/v2/types.Report``), or from what Go's own runner
prints."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

#: Of the states of a SpecReport; every other one (panicked, timedout, interrupted, aborted, pending) is FAILED.
PASSED, SKIPPED, FAILED = "passed", "skipped", "failed"
#: A line of Go's runner (testing.T.report).
RESULT = re.compile(r"^ *--- (PASS|FAIL|SKIP): (\S+) \(([\d.]+)s\)$", re.MULTILINE)
OUTCOMES = {"PASS": PASSED, "FAIL": FAILED, "SKIP": SKIPPED}


class Spec(NamedTuple):
    """One test: ``outcome`` is PASSED, SKIPPED or FAILED; ``reason`` why it failed or was skipped."""

    name: str
    outcome: str
    seconds: float
    reason: str


def read(report: list[dict[str, Any]], focus: str, left_out: dict[str, str]) -> list[Spec]:
    """The tests that ``focus`` selects. ``left_out`` says by a part of their names why some were not run."""
    return [
        spec
        for suite in report
        for each in suite["SpecReports"]
        if each["LeafNodeType"] == "It" or each["State"] not in (PASSED, SKIPPED)
        for spec in _read(each, focus, left_out)
    ]


def _read(each: dict[str, Any], focus: str, left_out: dict[str, str]) -> Iterator[Spec]:
    words = [*(each["ContainerHierarchyTexts"] or []), each["LeafNodeText"] or each["LeafNodeType"]]
    name = " ".join(filter(None, words))
    reason = each.get("Failure", {}).get("Message", "")
    outcome = each["State"] if each["State"] in (PASSED, SKIPPED) else FAILED
    if outcome == SKIPPED and not reason:  # by its name, before it began
        if not re.search(focus, name):
            return
        reason = next((why for part, why in left_out.items() if part in name), "left out by --skip")
    yield Spec(name, outcome, each.get("RunTime", 0) / 1e9, reason)


def read_go(told: str) -> list[Spec]:
    """The tests, each by its full name; one that only holds others is none."""
    found = RESULT.findall(told)
    holders = {name.rpartition("/")[0] for _result, name, _seconds in found}
    return [
        Spec(name.replace("_", " "), OUTCOMES[result], float(seconds), "see the log")
        for result, name, seconds in found
        if name not in holders
    ]


def passed(specs: list[Spec]) -> bool:
    """Whether tests passed, and none failed."""
    outcomes = collections.Counter(spec.outcome for spec in specs)
    return outcomes[PASSED] > 0 and not outcomes[FAILED]


def summary(specs: list[Spec]) -> str:
    """The failed and the skipped tests with their reasons, and how many there are of each kind."""
    outcomes = collections.Counter(spec.outcome for spec in specs)
    lines = [
        f"{spec.outcome}: {spec.name}\n    {next(iter(spec.reason.strip().splitlines()), 'no reason given')}"
        for spec in sorted(specs, key=lambda spec: (spec.outcome != SKIPPED, spec.name))
        if spec.outcome != PASSED
    ]
    return "\n".join([*lines, ", ".join(f"{outcomes[kind]} {kind}" for kind in (PASSED, FAILED, SKIPPED))])
