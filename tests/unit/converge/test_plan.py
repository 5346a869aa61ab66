# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: what is applied, in which order, and what stays undone after a failure."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Change, Plan, StateError
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding


class Unchanged:
    """A step with nothing to do."""

    changes = ()

    def diffs(self):
        raise AssertionError("there is nothing to show")

    def apply(self):
        raise AssertionError("there is nothing to do")


@pytest.fixture
def done():
    return []


def change(name, done, error=None):
    def do():
        if error:
            raise error
        done.append(name)

    return Change("file", f"/{name}", f"write file /{name}", "", f"{name}\n", do)


def test_a_plan_is_true_when_a_step_changes_something(done):
    assert not Plan() and not Plan([Unchanged()], then=[Unchanged()])
    assert Plan([Unchanged(), change("a", done)]) and Plan(then=[change("a", done)])


def test_what_is_described_and_shown_is_what_is_done_in_that_order(done):
    plan = Plan([change("a", done), Unchanged()], then=[Unchanged(), change("b", done)])
    assert plan.describe() == ["write file /a", "write file /b"]
    assert plan.diffs() == [("/a", "", "a\n"), ("/b", "", "b\n")]
    assert [each.kind for each in plan.changes] == ["file", "file"]
    assert done == []
    assert plan.apply() == [] and done == ["a", "b"]


def test_independent_steps_go_on_past_a_failure_and_what_depends_on_all_is_not_done(done):
    refused = OSError(errno.EACCES, "Permission denied")
    plan = Plan([change("a", done, refused), change("b", done)], then=[change("ready", done)])
    assert plan.apply() == [Finding(Code.CHANGE_FAILED, "", "write file /a", {"error": "Permission denied"})]
    assert done == ["b"]


def test_steps_in_order_end_with_the_first_failure(done):
    plan = Plan(then=[change("a", done), change("b", done, StateError("b: is in the way")), change("c", done)])
    assert plan.apply() == [Finding(Code.CHANGE_FAILED, "", "write file /b", {"error": "b: is in the way"})]
    assert done == ["a"]
    assert plan.describe() == ["write file /a", "write file /b"]  # what was tried


@pytest.fixture
def planned_late(done):
    """Each step is planned by what has been done until then."""

    def steps():
        for name in "abc":
            yield change(f"{name}{len(done)}", done)

    return Plan(then=steps())


def test_what_is_planned_late_sees_what_was_done_before(planned_late, done):
    assert planned_late.apply() == [] and done == ["a0", "b1", "c2"]
    assert planned_late.describe() == ["write file /a0", "write file /b1", "write file /c2"]


def test_what_is_planned_late_is_described_on_the_state_as_it_is(planned_late, done):
    assert planned_late.describe() == ["write file /a0", "write file /b0", "write file /c0"] and done == []


@pytest.mark.parametrize(
    ("error", "doing", "reason"),
    [
        (StateError("unit x: is not installed"), "plan what follows", "unit x: is not installed"),
        (PermissionError(errno.EACCES, "Permission denied", "/etc/x"), "read /etc/x", "Permission denied"),
    ],
)
def test_a_step_that_cannot_be_planned_ends_the_plan(done, error, doing, reason):
    def steps():
        yield change("a", done)
        raise error

    plan = Plan(then=steps())
    assert plan.apply() == [Finding(Code.CHANGE_FAILED, "", doing, {"error": reason})] and done == ["a"]
    assert plan.describe() == ["write file /a"]
    checked = Plan(then=steps())
    with pytest.raises(type(error)):
        checked.describe()
    assert checked.describe() == ["write file /a"]


def test_a_plan_is_a_step_and_an_empty_one_ends_nothing(done):
    inner = Plan(then=[change("b", done)])
    plan = Plan(then=iter([Plan(), change("a", done), inner, Plan(), change("c", done)]))
    assert plan.apply() == []
    assert done == ["a", "b", "c"]
    assert plan.describe() == ["write file /a", "write file /b", "write file /c"]
    assert [diff.subject for diff in plan.diffs()] == ["/a", "/b", "/c"]
    assert not Plan(then=[Plan()])


def test_what_follows_a_plan_that_failed_is_not_done(done):
    plan = Plan(then=[Plan(then=[change("a", done, OSError(errno.EACCES, "x"))]), change("b", done)])
    assert len(plan.apply()) == 1
    assert done == []
