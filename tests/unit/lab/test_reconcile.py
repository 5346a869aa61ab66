# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bringing a lab up would take; nothing is made."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.lab import reconcile, state

from .conftest import lab


def test_plan_of_a_first_lab_and_of_none():
    plan = reconcile.Whole("probe", lab())
    assert plan.underlay and [node.name for node in plan.create] == ["node1", "node2"]
    assert [str(each) for each in plan.changes][-2:] == ["create node1", "create node2"]
    ((name, before, after),) = plan.diffs()
    assert (name, before) == ("lab probe", "") and json.loads(after)["running"] == {"node1": True, "node2": True}
    assert reconcile.Whole("probe", None).changes == []


def test_plan_adds_removes_and_replaces_nodes():
    lab().save()
    assert [node.name for node in reconcile.Whole("probe", lab(count=3)).create] == ["node3"]
    assert [node.name for node in reconcile.Whole("probe", lab(count=1)).remove] == ["node2"]
    replaced = reconcile.Whole("probe", lab(systems=("/bookworm",)))
    assert [node.name for node in replaced.remove] == [node.name for node in replaced.create] == ["node2"]
    assert [node.name for node in replaced.start] == ["node1"]
    assert [str(each) for each in replaced.changes if each.kind == "node"] == ["start node1", "recreate node2"]


def test_a_lab_is_taken_down_as_a_whole():
    lab().save()
    gone = reconcile.Whole("probe", None)
    assert [str(each) for each in gone.changes] == ["take down lab probe"]
    assert gone.diffs()[0].after == ""


def test_plan_refuses_to_move_a_lab():
    lab().save()
    with pytest.raises(
        state.LabError, match=r"up with network 10\.98\.0\.0/24, not 10\.99\.0\.0/24; take it down first"
    ):
        reconcile.Whole("probe", lab(subnet="10.99.0.0/24"))
