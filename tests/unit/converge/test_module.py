# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a plan ends a module."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.module import run
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Change, Plan, StateError

ROOT = Path(__file__).resolve().parents[3]


class Ended(Exception):
    """The module ended, with its result."""


class Module:
    """What ``run`` needs of an AnsibleModule."""

    def __init__(self, check_mode=False):
        self.check_mode = check_mode

    def exit_json(self, **result):
        raise Ended(result)

    def fail_json(self, **result):
        raise Ended({"failed": True, **result})


def ended(plan, check_mode=False, **result):
    with pytest.raises(Ended) as end:
        run(Module(check_mode), plan, **result)
    return end.value.args[0]


@pytest.fixture
def found():
    return {}


@pytest.fixture
def plan(found):
    return Plan([Change("file", "/a", "write file /a", "", "1\n", lambda: found.update(made=True))])


DIFF = [{"before_header": "/a", "after_header": "/a", "before": "", "after": "1\n"}]


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_is_done_is_told_and_in_check_mode_not_done(plan, found, check_mode):
    result = ended(plan, check_mode, found=found)
    wanted = {} if check_mode else {"made": True}
    assert result == {"changed": True, "changes": ["write file /a"], "diff": DIFF, "found": wanted}


def test_an_empty_plan_changes_nothing():
    assert ended(Plan()) == {"changed": False, "changes": [], "diff": []}


def test_a_module_that_only_reads_has_no_changes_to_tell():
    assert ended(None, node="node1") == {"changed": False, "node": "node1"}


def _refuse():
    raise StateError("a: cannot be")


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_failure_tells_what_was_tried(found, check_mode):
    def steps():
        yield Change("file", "/a", "write file /a", "", "1\n", lambda: found.update(made=True))
        _refuse()

    result = ended(Plan(then=steps()), check_mode)
    assert result["failed"] and result["msg"] == "cannot plan what follows: a: cannot be"
    assert [each["code"] for each in result["findings"]] == ["change.failed"]
    assert (result["changes"], found) == (["write file /a"], {} if check_mode else {"made": True})


def test_all_errors_of_independent_steps_are_told():
    steps = [Change("file", f"/{name}", f"write file /{name}", "", "", _refuse) for name in "ab"]
    findings = ended(Plan(steps))["findings"]
    assert [(each["subject"], each["parameters"]["error"]) for each in findings] == [
        ("write file /a", "a: cannot be"),
        ("write file /b", "a: cannot be"),
    ]


def test_no_module_ends_otherwise():
    """Those without code of their own have an action plugin of their name."""
    modules = {path.stem: path.read_text() for path in (ROOT / "plugins/modules").glob("*.py")}
    assert len(modules) > 20
    assert [name for name, text in modules.items() if "exit_json" in text] == []
    run_by_actions = {path.stem for path in (ROOT / "plugins/action").glob("*.py")}
    silent = {name for name, text in modules.items() if "converge.module import run" not in text}
    assert silent - run_by_actions == {"link", "address", "route", "neighbour", "fdb"}
