# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's state travels as JSON: what is written is read back, and no shape changes without its schema's number."""

from __future__ import annotations

import inspect
import json
import pathlib
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import config, lease
from ansible_collections.podnet.cluster.plugins.module_utils.records import codec
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model import state

NONE = type(None)
SHAPES = pathlib.Path(__file__).with_name("node_state.json")
PAGE = pathlib.Path(__file__).parents[4] / "docs/node-state.md"
INTRODUCTION = """# A node's state as JSON

`podnetctl inspect --json` prints it (with `checks` beside it), the module `podnet.cluster.node_network_info`
returns it, and `podnetctl trace --state FILE` reads another node's. `schema`
is {schema}: a reader refuses another number.

This page is generated from the library's dataclasses: `.venv/bin/python tests/unit/verify/model/test_state.py`.
A `Config` is a node's configuration, a `Lease` an entry of its leases, as the files in `/etc/podnet` have them; a
`Finding` is described [here](verify-report.md#a-finding). Kernel objects bear their kind as `object`.
"""
CONFIG = config.parse({"node_name": "node1", "networks": ["10.244.0.0/16"]})
LEASE = lease.parse({"name": "node1", "address": "10.77.0.11", "pod_cidrs": ["10.244.1.0/24"]})
PARSED = {
    config.Config: CONFIG,
    lease.Lease: LEASE,
    Finding: Finding(Code.POD_NETNS_GONE, "node1", "default/web-0", {"error": "ENOENT"}),
}


def names(kind: Any) -> list[str]:
    """The fields of a dataclass or named tuple."""
    return [each.name for each in fields(kind)] if is_dataclass(kind) else list(getattr(kind, "_fields", ()))


def issubclass_of(kind: Any, parent: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, parent)


def example(kind: Any) -> Any:
    """A value of the kind with every field filled: of a union the last member that is not None."""
    if kind in PARSED:
        return PARSED[kind]
    if issubclass_of(kind, Enum):
        return list(kind)[-1]
    if names(kind):
        hints = get_type_hints(kind)
        return kind(**{name: example(hints[name]) for name in names(kind)})
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Union:
        return example([one for one in inner if one is not NONE][-1])
    if origin in (list, tuple):
        return origin([example(inner[0])])
    if origin is dict:
        return {"key": example(inner[1])}
    return {str: "text", int: 7, float: 1.5, bool: True, Any: {"any": [1]}}[kind]


def shapes(kind: Any, found: dict[str, Any], classes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The fields of a dataclass and of all that it holds, by their classes' names; ``classes`` gets these."""
    if names(kind) and kind not in PARSED and kind.__name__ not in found:
        hints = get_type_hints(kind)
        found[kind.__name__] = {name: shown(hints[name]) for name in names(kind)}
        if classes is not None:
            classes[kind.__name__] = kind
        for name in names(kind):
            shapes(hints[name], found, classes)
    for inner in get_args(kind):
        shapes(inner, found, classes)
    return found


def shown(kind: Any) -> str:
    if get_origin(kind) is Union:
        return " or ".join(sorted("null" if one is NONE else shown(one) for one in get_args(kind)))
    inner = ", ".join(shown(one) for one in get_args(kind) if one is not Ellipsis)
    name = "list" if get_origin(kind) is tuple else getattr(kind, "__name__", str(kind))
    return f"{name}[{inner}]" if inner else name


def page() -> str:
    """The documentation of the shapes."""
    parts = [INTRODUCTION.format(schema=state.SCHEMA)]
    classes: dict[str, Any] = {}
    shapes(state.NodeState, {}, classes)
    for name, kind in classes.items():
        rows = [f"| `{field}` | {kind_of} |" for field, kind_of in shapes(kind, {})[name].items()]
        text = inspect.getdoc(kind).replace("``", "`")
        parts.append("\n".join([f"## {name}\n", text, "", "| Key | Type |", "| --- | --- |", *rows, ""]))
    return "\n".join(parts)


def test_the_shapes_are_those_of_the_schema():
    """Whoever changes a shape raises ``state.SCHEMA`` and writes the shapes anew: run this file as a program."""
    recorded = json.loads(SHAPES.read_text())
    assert recorded == {"schema": state.SCHEMA, **shapes(state.NodeState, {})}
    assert PAGE.read_text() == page()


def test_every_field_comes_back():
    filled = example(state.NodeState)
    assert state.state_from(json.loads(json.dumps(filled.as_json()))) == filled


def test_every_kernel_object_comes_back_as_what_it_was():
    for kind in get_args(state.KernelState):
        step = state.DriftStep("kind", "add", "subject", "text", wanted=example(kind))
        assert codec.from_json(state.DriftStep, json.loads(json.dumps(codec.to_json(step)))) == step


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 1}, f"schema 1, expected {state.SCHEMA}"),
        ({"schema": None}, "schema None"),
        ({"node": 3}, "NodeState.node: 3 is not of type str"),
        ({"time": True}, "NodeState.time: True is not of type float"),
        ({"time": "1"}, "NodeState.time: '1' is not of type float"),
        ({"odd": 1}, "unknown: odd"),
        ({"links": []}, "NodeState.links: \\[\\] is not an object"),
        ({"desired": [{"object": "dragon"}]}, "desired\\[0\\]: object 'dragon' is unknown"),
        ({"overlay": {"config": {"networks": []}}}, "overlay.config: "),
        ({"evidence": {"node": "n"}}, "missing: mark, sent"),
    ],
)
def test_another_shape_is_refused_with_its_place(change, said):
    values = {**example(state.NodeState).as_json(), **change}
    with pytest.raises(ValueError, match=said):
        state.state_from(values)


def test_an_integer_is_a_fraction_and_subclasses_become_plain():
    class Tagged(str):
        pass

    read = state.state_from({**example(state.NodeState).as_json(), "time": 7, "node": Tagged("node1")})
    assert (read.time, type(read.time), type(read.node)) == (7.0, float, str)


@pytest.mark.parametrize("values", [None, [], "state", {}, {"node": "node1"}])
def test_what_is_no_state_is_refused(values):
    with pytest.raises(ValueError, match="not a node state"):
        state.state_from(values)


def test_a_policy_rule_in_the_words_of_iproute2():
    rule = state.PolicyRule(4, 100, 254, iif="eth0", mark=7, mask=0xFF, protocol="tcp", dport="80-90")
    assert str(rule) == "pref 100 iif eth0 fwmark 0x7/0xff ipproto tcp dport 80-90 table main"
    assert rule.selector == "mark 0x7 ipproto tcp dport 80"
    assert rule.fix == f"ip rule delete {rule}"
    missing = state.PolicyRule(6, 0, 255, missing=True)
    assert missing.fix == "ip -6 rule add pref 0 table local"


if __name__ == "__main__":
    SHAPES.write_text(json.dumps({"schema": state.SCHEMA, **shapes(state.NodeState, {})}, indent=1) + "\n")
    PAGE.write_text(page())
