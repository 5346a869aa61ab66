# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Label selectors of the Kubernetes API (meta/v1 LabelSelector): matchLabels and matchExpressions, all of which must
hold."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any, NamedTuple, Union

#: A label set: pairs of key and value, sorted.
Labels = tuple[tuple[str, str], ...]
#: What a label set must have for a selector to match at all: a pair, a key, or nothing ("").
Hint = Union["tuple[str, str]", str]

IN, NOT_IN, EXISTS, DOES_NOT_EXIST = "In", "NotIn", "Exists", "DoesNotExist"


class Requirement(NamedTuple):
    """``operator`` is one of the API's four; ``values`` are sorted, and empty for Exists and DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """A key that is not there satisfies NotIn, as the API has it."""
        value = labels.get(self.key)
        if self.operator == IN:
            return value in self.values
        if self.operator == NOT_IN:
            return value not in self.values
        return (value is not None) == (self.operator == EXISTS)


class Selector(NamedTuple):
    """``requirements`` are sorted, so that equal selectors are equal; none select everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.holds(labels) for requirement in self.requirements)

    @property
    def hint(self) -> Hint:
        """By which an index finds this selector among many."""
        for requirement in self.requirements:
            if requirement.operator == IN and len(requirement.values) == 1:
                return requirement.key, requirement.values[0]
        return next((each.key for each in self.requirements if each.operator in (IN, EXISTS)), "")


EVERYTHING = Selector()


def labels_of(value: Any) -> Labels:
    """An object's ``metadata.labels``, which may be absent. Raises ValueError."""
    return tuple(sorted((intern(key), intern(each)) for key, each in _strings(value, "labels").items()))


def parse(value: Any) -> Selector:
    """A LabelSelector as the API writes it; ``{}`` selects everything. Raises ValueError for one that the API server
    would refuse."""
    if not isinstance(value, dict):
        raise ValueError(f"selector {value!r} is not an object")
    found = [Requirement(key, IN, (each,)) for key, each in _strings(value.get("matchLabels"), "matchLabels").items()]
    for expression in value.get("matchExpressions") or ():
        found.append(_expression(expression))
    return Selector(tuple(sorted(set(found))))


def _expression(value: Any) -> Requirement:
    key, operator, values = (value.get(name) for name in ("key", "operator", "values"))
    values = values or []
    if not isinstance(key, str) or not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise ValueError(f"expression {value!r} is not a label selector requirement")
    if operator not in (IN, NOT_IN, EXISTS, DOES_NOT_EXIST):
        raise ValueError(f"operator {operator!r} is unknown")
    if bool(values) != (operator in (IN, NOT_IN)):
        raise ValueError(f"operator {operator} does not go with values {values}")
    return Requirement(key, operator, tuple(sorted(set(values))))


def _strings(value: Any, what: str) -> dict[str, str]:
    value = value or {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for pair in value.items() for each in pair):
        raise ValueError(f"{what} {value!r} are not a map of strings")
    return value
