# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record is a dataclass: fields, defaults, equality, text."""

from __future__ import annotations

from dataclasses import field, fields

from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.record import record


@record
class Route:
    """A route."""

    to: str
    via: str = ""
    notes: list[str] = field(default_factory=list)


@record
class Rule:
    to: str
    via: str = ""
    notes: list[str] = field(default_factory=list)


def test_a_record_is_a_dataclass():
    assert [each.name for each in fields(Route)] == ["to", "via", "notes"]
    assert Route("10.244.2.0/24", via="10.244.2.0") == Route("10.244.2.0/24", "10.244.2.0", [])
    assert Route("10.244.2.0/24") != Route("10.244.3.0/24")
    assert repr(Route("default")) == "Route(to='default', via='', notes=[])"
    assert Route("a").notes is not Route("a").notes


def test_another_record_with_the_same_fields_differs():
    assert Route("a") != Rule("a")
    assert Rule.__doc__ == "Rule"
