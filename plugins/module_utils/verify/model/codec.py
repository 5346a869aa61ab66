# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dataclasses and named tuples to JSON and back: one writer and one reader for what travels between machines.

The field's type decides: they nest, ``Optional``, ``list``, ``dict`` with text keys, ``tuple[X, ...]`` and
unions of scalars do what they say. A dataclass with ``OBJECT`` writes that as ``object``, by which a union of such is
read; properties in ``DERIVED`` are written, not read. Configuration, leases and findings are read by their own parsers.
"""

from __future__ import annotations

import functools
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, Callable, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ...findings.finding import Finding, finding_from
from ...overlay import config, lease
from ...overlay.config import Config
from ...overlay.lease import Lease

T = TypeVar("T")

#: Types that bring their own ``as_json``, and what reads it back.
PARSERS: dict[type, Callable[[Any], Any]] = {Config: config.parse, Lease: lease.parse, Finding: finding_from}


def to_json(value: Any) -> Any:
    """``value`` as what ``json.dumps`` takes. A value that is not known (None) stays null."""
    if type(value) in PARSERS:
        return value.as_json()
    if is_dataclass(value):
        tag = {"object": kind} if (kind := getattr(value, "OBJECT", "")) else {}
        names = [*(each.name for each in fields(value)), *getattr(value, "DERIVED", ())]
        return {**tag, **{name: to_json(getattr(value, name)) for name in names}}
    if hasattr(value, "_fields"):
        return {name: to_json(each) for name, each in zip(value._fields, value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: to_json(each) for key, each in value.items()}
    return [to_json(each) for each in value] if isinstance(value, (list, tuple)) else value


def from_json(kind: type[T], values: Any) -> T:
    """The ``kind``, a dataclass, that ``to_json`` made these ``values`` from. Raises ValueError that names the field
    which is missing, unknown, or of another type."""
    return cast(T, _read(kind, values, kind.__name__))


def _read(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if kind is Any:
        return value
    if kind in PARSERS:
        return _parsed(kind, value, where)
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        return _record(kind, value, where)
    if origin is Union:
        return _union(get_args(kind), value, where)
    if origin in (list, dict, tuple):
        return _collection(origin, get_args(kind), value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _parsed(kind, value, where)
    if not _is(kind, value):
        raise ValueError(f"{where}: {value!r:.80} is not of type {getattr(kind, '__name__', kind)}")
    return kind(value)  # Ansible hands over subclasses of the usual types


def _is(kind: type, value: Any) -> bool:
    """Whether a scalar is of the kind: true is not a number here, an integer is a fraction, too."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _parsed(kind: Any, value: Any, where: str) -> Any:
    try:
        return PARSERS.get(kind, kind)(value)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from None


def _record(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: {value!r:.80} is not an object")
    known, needed = _hints(kind)
    ignored = {*getattr(kind, "DERIVED", ()), *(("object",) if getattr(kind, "OBJECT", "") else ())}
    unknown = [key for key in value if key not in known and key not in ignored]
    missing = [name for name in needed if name not in value]
    if unknown or missing:
        raise ValueError(f"{where}: unknown: {', '.join(unknown) or 'none'}; missing: {', '.join(missing) or 'none'}")
    return kind(**{key: _read(known[key], value[key], f"{where}.{key}") for key in value if key in known})


@functools.cache
def _hints(kind: Any) -> tuple[dict[str, Any], list[str]]:
    """The types of a dataclass' or named tuple's fields, and which of them have no default."""
    hints = get_type_hints(kind)
    if not is_dataclass(kind):
        return {name: hints[name] for name in kind._fields}, [n for n in kind._fields if n not in kind._field_defaults]
    needed = [e.name for e in fields(kind) if e.default is MISSING and e.default_factory is MISSING]
    return {each.name: hints[each.name] for each in fields(kind)}, needed


def _union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    if isinstance(value, dict) and len(others) > 1:
        tagged = [kind for kind in others if getattr(kind, "OBJECT", "") == value.get("object")]
        if not tagged:
            raise ValueError(f"{where}: object {value.get('object')!r} is unknown")
        return _read(tagged[0], value, where)
    exact = next((kind for kind in others if isinstance(kind, type) and _is(kind, value)), others[0])
    return _read(exact, value, where)


def _collection(origin: Any, kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{where}: {value!r:.80} is not an object")
        return {key: _read(kinds[1], each, f"{where}.{key}") for key, each in value.items()}
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{where}: {value!r:.80} is not a list")
    return origin(_read(kinds[0], each, f"{where}[{number}]") for number, each in enumerate(value))
