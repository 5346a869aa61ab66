# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What travels as JSON comes back as what it was, and another shape is refused with its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, NamedTuple, Optional, Union

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.records.codec import from_json, to_json

FINDING = Finding(Code.POD_NETNS_GONE, "node1", "default/web-0", {"error": "ENOENT"})


class Color(str, Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: float = 0.5
    names: tuple[str, ...] = ()


@dataclass
class Circle:
    OBJECT: ClassVar[str] = "circle"
    DERIVED: ClassVar[tuple[str, ...]] = ("area",)
    center: Point
    color: Optional[Color] = None

    @property
    def area(self) -> int:
        return 3


@dataclass
class Line:
    OBJECT: ClassVar[str] = "line"
    ends: list[Point]


@dataclass
class Drawing:
    shapes: list[Union[Circle, Line]] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)
    finding: Optional[Finding] = None


WHOLE = Drawing([Circle(Point(1, names=("a", "b")), Color.RED), Line([Point(2, 7.0)])], {"key": [1, None]}, FINDING)


def test_every_kind_comes_back_as_what_it_was():
    written = json.loads(json.dumps(to_json(WHOLE)))
    assert from_json(Drawing, written) == WHOLE
    assert written["shapes"][0] == {
        "object": "circle",
        "center": {"x": 1, "y": 0.5, "names": ["a", "b"]},
        "color": "red",
        "area": 3,
    }
    assert written["finding"] == FINDING.as_json()


@pytest.mark.parametrize("value", ["text", 7, True, None])
def test_a_scalar_keeps_its_type(value):
    read = from_json(Drawing, {"known": {"key": value}})
    assert (read.known["key"], type(read.known["key"])) == (value, type(value))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"shapes": {}}, r"Drawing.shapes: \{\} is not a list"),
        ({"shapes": [{"object": "dragon"}]}, r"Drawing.shapes\[0\]: object 'dragon' is unknown"),
        ({"shapes": [{"object": "line", "ends": [{"x": "1"}]}]}, r"shapes\[0\].ends\[0\].x: '1' is not of type int"),
        ({"shapes": [{"object": "line", "ends": [{"x": True}]}]}, r"ends\[0\].x: True is not of type int"),
        ({"shapes": [{"object": "line", "ends": [{"y": 1.0}]}]}, "unknown: none; missing: x"),
        ({"odd": 1}, "unknown: odd; missing: none"),
        ({"finding": {"code": "no.such", "node": "", "subject": "", "parameters": {}}}, "Drawing.finding: 'no.such'"),
        ([], r"Drawing: \[\] is not an object"),
    ],
)  # fmt: skip
def test_another_shape_is_refused_with_its_place(values, said):
    with pytest.raises(ValueError, match=said):
        from_json(Drawing, values)


def test_named_tuples_need_no_dataclasses():
    """podnetd answers with them, and inspect would cost it 2 MB."""
    program = """
import sys
from ansible_collections.podnet.cluster.plugins.module_utils.policy.explanation import FlowsAnswer, PolicyOrigin
from ansible_collections.podnet.cluster.plugins.module_utils.records.codec import from_json, to_json
answer = FlowsAnswer(PolicyOrigin("podnetd", 1.0, True, True), ())
print(from_json(FlowsAnswer, to_json(answer)) == answer, "dataclasses" in sys.modules, "inspect" in sys.modules)
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env)
    assert ran.stdout.split() == ["True", "False", "False"]
