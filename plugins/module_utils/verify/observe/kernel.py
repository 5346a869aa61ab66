# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's objects, as ``netlink`` reads them, as parts of a node's state."""

from __future__ import annotations

import functools
from dataclasses import fields
from typing import Any, TypeVar, cast, get_args

from ...netlink.objects import KernelObject
from ..model.kernel import KernelState

T = TypeVar("T")

#: By the names of ``netlink``'s classes, in lower case.
STATES: dict[str, Any] = {kind.OBJECT: kind for kind in get_args(KernelState)}


def state_of(thing: KernelObject) -> KernelState:
    """Any object that the overlay consists of. Raises KeyError for one of another kind."""
    kind = STATES[type(thing).__name__.lower()]
    state: KernelState = as_state(kind, thing)
    return state


def as_state(kind: type[T], thing: Any) -> T:
    """The object as that state, whose fields are named like the object's values."""
    return kind(**{name: getattr(thing, name) for name in _names(cast(Any, kind))})


@functools.cache
def _names(kind: Any) -> list[str]:
    return [each.name for each in fields(kind)]
