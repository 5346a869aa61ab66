# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which control plane is asked: none of them is special, and one that is away is not asked."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.filter.cluster import control_plane


def looked(is_one, made=None):
    """A host that this run has reached."""
    facts = {"podnet_node": {"control_plane": is_one}}
    more = {} if made is None else {"__control_plane_node": {"rc": made}}
    return {"ansible_facts": facts, "__node_look": {"ansible_facts": facts}, **more}


CACHED = {"ansible_facts": {"podnet_node": {"control_plane": True}}}
AWAY = {"__node_look": {"unreachable": True}}


@pytest.mark.parametrize(
    ("hosts", "chosen"),
    [
        ([looked(True), looked(True)], "a"),
        ([AWAY, looked(True)], "b"),
        ([CACHED, looked(True)], "b"),
        ([looked(False), looked(True)], "b"),
        ([looked(False), looked(False)], "a"),
        ([looked(False, made=1), looked(False, made=0)], "b"),
        ([AWAY, looked(False)], "b"),
        ([{}, {}], "a"),
    ],
    ids=[
        "both",
        "one is away",
        "one is cached",
        "one is new",
        "none yet",
        "made now",
        "away, none yet",
        "none looked at",
    ],
)
def test_the_one_to_ask(hosts, chosen):
    names = "ab"[: len(hosts)]
    assert control_plane(list(names), dict(zip(names, hosts))) == chosen
