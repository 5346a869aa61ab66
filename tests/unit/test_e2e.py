# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run of Kubernetes' own tests is judged from ginkgo's report, or from what Go's own runner prints."""

from __future__ import annotations

import pytest
from e2e import outcome

FOCUS = r"\[sig-network\].*\[Conformance\]"


def spec(name: str, state: str, reason: str = "", kind: str = "It") -> dict:
    """A SpecReport with the fields that are read."""
    failure = {"Failure": {"Message": reason}} if reason else {}
    return {
        "ContainerHierarchyTexts": ["[sig-network] DNS"], "LeafNodeText": name, "LeafNodeType": kind, "State": state,
        "RunTime": 2_500_000_000, **failure,
    }  # fmt: skip


def read(*specs: dict) -> list[outcome.Spec]:
    return outcome.read([{"SpecReports": list(specs)}], FOCUS, {"with nginx": "no image"})


def test_a_test_that_passed():
    (found,) = read(spec("resolves [Conformance]", "passed"))
    assert found == ("[sig-network] DNS resolves [Conformance]", "passed", 2.5, "")
    assert outcome.passed([found])


@pytest.mark.parametrize("state", ["failed", "panicked", "timedout", "interrupted", "aborted", "pending"])
def test_every_other_end_is_a_failure(state):
    found = read(spec("resolves [Conformance]", "passed"), spec("sends [Conformance]", state, "lost\nin transit"))
    assert found[1][1:] == ("failed", 2.5, "lost\nin transit")
    assert not outcome.passed(found)
    assert "failed: [sig-network] DNS sends [Conformance]\n    lost\n" in outcome.summary(found)


def test_a_failed_set_up_is_a_failure_too():
    found = read(spec("resolves [Conformance]", "passed"), spec("", "failed", "no node", "SynchronizedBeforeSuite"))
    assert not outcome.passed(found)


def test_nothing_run_is_no_success():
    assert not outcome.passed(read(spec("resolves [Conformance]", "skipped", "needs a cloud")))


def test_skipped_tests_have_their_reasons_and_others_are_not_told():
    found = read(
        spec("resolves [Conformance]", "passed"),
        spec("needs a cloud [Conformance]", "skipped", "needs a cloud"),
        spec("with nginx [Conformance]", "skipped"),
        spec("left by hand [Conformance]", "skipped"),
        spec("another [Slow]", "skipped"),
    )
    assert [each.reason for each in found] == ["", "needs a cloud", "no image", "left out by --skip"]
    assert outcome.summary(found).endswith("1 passed, 0 failed, 3 skipped")


def test_subtests_are_judged_and_not_what_holds_them():
    told = """=== RUN   TestConformance
        helper.go:99: Expected connection to fail
    --- FAIL: TestConformance/ClusterNetworkPolicyPriority (4.10s)
        --- PASS: TestConformance/ClusterNetworkPolicyPriority/Should_drop (1.05s)
        --- FAIL: TestConformance/ClusterNetworkPolicyPriority/Should_pass (3.05s)
    --- SKIP: TestConformance/ClusterNetworkPolicyNodes (0.00s)
--- FAIL: TestConformance (9.00s)
"""
    found = outcome.read_go(told)
    assert [(each.name.rpartition("/")[2], each.outcome, each.seconds) for each in found] == [
        ("Should drop", "passed", 1.05),
        ("Should pass", "failed", 3.05),
        ("ClusterNetworkPolicyNodes", "skipped", 0.0),
    ]
    assert not outcome.passed(found)
    assert not outcome.passed(outcome.read_go("panic: no cluster"))
