# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded states that unit tests alter (tests/unit/verify/recorded) are like those of a cluster of today.

PODNET_RECORD=1 pytest tests/integration/verify/trace/test_recorded.py records them again.
"""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli import render_trace
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import state_from
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace import verdict

#: File: the ends of the path.
PATHS = {"between_nodes": ("a1", "a2"), "on_one_bridge": ("a1", "b1"), "to_a_node": ("a1", "node2")}


@pytest.mark.parametrize("name", PATHS)
def test_recorded_states_are_like_those_of_today(cluster, root, name):
    ends = PATHS[name]
    today = cluster.states(*ends, packets=True)
    path = root / f"tests/unit/verify/recorded/{name}.json"
    if os.environ.get("PODNET_RECORD"):
        lines = (json.dumps(state.as_json(), separators=(",", ":")) for state in today)
        text = "[\n" + ",\n".join(lines) + "\n]\n"
        for node in cluster.nodes:  # where its files are today is of no interest
            text = text.replace(str(node.root), "")
        path.write_text(text, encoding="utf-8")
    recorded = [state_from(values) for values in json.loads(path.read_text(encoding="utf-8"))]
    source, target = (cluster.end(each) for each in ends)
    one, other = (render_trace.as_json(verdict.judge(source, target, states)) for states in (today, recorded))
    assert one["ok"] and other["ok"], (one["verdict"], other["verdict"])
    assert hops(one) == hops(other)


def hops(trace: dict) -> list[tuple[str, str, bool]]:
    """Node and kind of each hop, and whether packets were seen there."""
    return [(hop["node"], hop["step"], bool(hop["seen"])) for path in trace["paths"] for hop in path["hops"]]
