# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Label selectors: which label sets they match, and which the API would refuse."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.policy.selectors import EVERYTHING, labels_of, parse

WEB = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ({}, {}, True),
        ({}, WEB, True),
        ({"matchLabels": {"app": "web"}}, WEB, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, WEB, False),
        ({"matchLabels": {"app": ""}}, {}, False),
        ({"matchLabels": {"app": ""}}, {"app": ""}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "web"]}]}, WEB, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db"]}]}, WEB, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, WEB, False),
        # a key that is not there is not in any list
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, WEB, True),
        ({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}, WEB, False),
        ({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}, WEB, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists", "values": []}]}, WEB, True),
        (
            {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]},
            WEB,
            False,
        ),
    ],
)
def test_matches(selector, labels, matches):
    parsed = parse(selector)
    assert parsed.matches(labels) == matches
    hint = parsed.hint
    if matches and hint:  # what an index relies on
        assert hint in labels or hint in labels.items()


@pytest.mark.parametrize(
    "selector",
    [
        None,
        [],
        {"matchLabels": {"app": 1}},
        {"matchExpressions": [{"key": "app", "operator": "Equals", "values": ["a"]}]},
        {"matchExpressions": [{"key": "app", "operator": "In"}]},
        {"matchExpressions": [{"key": "app", "operator": "Exists", "values": ["a"]}]},
        {"matchExpressions": [{"operator": "Exists"}]},
    ],
)
def test_what_the_api_refuses(selector):
    with pytest.raises(ValueError):
        parse(selector)


def test_equal_selectors_are_equal_however_they_are_written():
    one = parse({"matchLabels": {"a": "1", "b": "2"}})
    other = {"matchExpressions": [{"key": key, "operator": "In", "values": [value]} for key, value in ("b2", "a1")]}
    assert one == parse(other)
    assert parse({"matchLabels": None}) == EVERYTHING


def test_labels_are_sorted_pairs():
    assert labels_of({"b": "2", "a": "1"}) == (("a", "1"), ("b", "2"))
    assert labels_of(None) == ()
