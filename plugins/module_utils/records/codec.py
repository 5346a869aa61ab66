# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dataclasses and named tuples to JSON and back: one writer and one reader for what travels between machines.

The field's type decides: they nest, ``Optional``, ``list``, ``dict`` with text keys, ``tuple[X, ...]`` and
unions of scalars do what they say. A dataclass with ``OBJECT`` writes that as ``object``, by which a union of such is
read; properties in ``DERIVED`` are written, not read. What has ``as_json`` and ``from_json`` (configuration, leases,
findings) is written and read by these.

podnetd answers by this, so ``dataclasses``, whose ``inspect`` takes 2 MB, are loaded only where one is written or read.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from enum import Enum
from typing import Any, Callable, NoReturn, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

NONE = type(None)
#: What JSON has as it is; a run of verification on a thousand nodes has millions of them.
PLAIN = frozenset((str, int, float, bool, NONE))


def to_json(value: Any) -> Any:
    """``value`` as what ``json.dumps`` takes. A value that is not known (None) stays null."""
    kind: Any = type(value)
    return value if kind in PLAIN else _writer(kind)(value)


@functools.cache
def _writer(kind: Any) -> Callable[[Any], Any]:
    """What turns a value of that type into JSON."""
    if hasattr(kind, "from_json"):
        return lambda value: value.as_json()
    if _is_record(kind):
        return _record_writer(kind)
    if issubclass(kind, Enum):
        return lambda value: value.value
    if issubclass(kind, dict):
        return lambda value: {key: to_json(each) for key, each in value.items()}
    if issubclass(kind, (list, tuple)):
        return lambda value: [to_json(each) for each in value]
    return lambda value: value  # a subclass of what JSON has


def _record_writer(kind: Any) -> Callable[[Any], Any]:
    tag = {"object": kind.OBJECT} if getattr(kind, "OBJECT", "") else {}
    names = (*_names(kind), *getattr(kind, "DERIVED", ()))

    def write(value: Any) -> dict[str, Any]:
        written = dict(tag)
        for name in names:
            each = getattr(value, name)
            written[name] = each if type(each) in PLAIN else to_json(each)
        return written

    return write


def from_json(kind: type[T], values: Any) -> T:
    """The ``kind``, a dataclass, that ``to_json`` made these ``values`` from. Raises ValueError that names the field
    which is missing, unknown, or of another type."""
    try:
        read: T = _reader(cast(Any, kind))(values)
    except _WrongError as wrong:
        raise ValueError(f"{kind.__name__}{''.join(reversed(wrong.path))}: {wrong.reason}") from None
    return read


class _WrongError(Exception):
    """A value cannot be read; ``path`` leads to it, innermost first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []


@functools.cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """What reads a value of that type. Raises _WrongError."""
    origin = get_origin(kind)
    if kind is Any:
        return lambda value: value
    if hasattr(kind, "from_json") or (isinstance(kind, type) and issubclass(kind, Enum)):
        return _parser(getattr(kind, "from_json", kind))
    if _is_record(kind):
        return _record_reader(kind)
    if origin is Union:
        return _union_reader(get_args(kind))
    if origin is dict:
        return _dict_reader(_reader(get_args(kind)[1]))
    if origin in (list, tuple):
        return _list_reader(origin, _reader(get_args(kind)[0]))
    return _scalar_reader(kind)


def _parser(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        try:
            return parse(value)
        except (ValueError, KeyError, TypeError) as error:
            raise _WrongError(str(error)) from None

    return read


def _record_reader(kind: Any) -> Callable[[Any], Any]:
    readers: dict[str, Callable[[Any], Any]] = {}
    needed = _needed(kind)
    ignored = {*getattr(kind, "DERIVED", ()), *(("object",) if getattr(kind, "OBJECT", "") else ())}

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _WrongError(f"{value!r:.80} is not an object")
        if not readers:  # not before: a type may hold itself
            hints = get_type_hints(kind)
            readers.update((name, _reader(hints[name])) for name in _names(kind))
        given = {}
        for key, each in value.items():
            reader = readers.get(key)
            if reader is None:
                if key in ignored:
                    continue
                _refuse(kind, value, ignored)
            try:
                given[key] = reader(each)
            except _WrongError as wrong:
                wrong.path.append(f".{key}")
                raise
        if not needed <= given.keys():
            _refuse(kind, value, ignored)
        return kind(**given)

    return read


def _refuse(kind: Any, value: dict[str, Any], ignored: Collection[str]) -> NoReturn:
    names, needed = _names(kind), _needed(kind)
    unknown = ", ".join(key for key in value if key not in names and key not in ignored) or "none"
    missing = ", ".join(name for name in names if name in needed and name not in value) or "none"
    raise _WrongError(f"unknown: {unknown}; missing: {missing}")


def _is_record(kind: Any) -> bool:
    return hasattr(kind, "__dataclass_fields__") or hasattr(kind, "_fields")


def _names(kind: Any) -> list[str]:
    """The fields of a dataclass or named tuple."""
    if hasattr(kind, "_fields"):
        return list(kind._fields)
    from dataclasses import fields

    return [each.name for each in fields(kind)]


def _needed(kind: Any) -> frozenset[str]:
    """Those of them without a default."""
    if hasattr(kind, "_fields"):
        return frozenset(name for name in kind._fields if name not in kind._field_defaults)
    from dataclasses import MISSING, fields

    return frozenset(e.name for e in fields(kind) if e.default is MISSING and e.default_factory is MISSING)


def _union_reader(kinds: tuple[Any, ...]) -> Callable[[Any], Any]:
    others = [kind for kind in kinds if kind is not NONE]
    tagged = {kind.OBJECT: _reader(kind) for kind in others if getattr(kind, "OBJECT", "")}
    scalars = [(kind, _reader(kind)) for kind in others if kind in PLAIN]
    first = _reader(others[0])

    def read(value: Any) -> Any:
        if value is None and len(others) < len(kinds):
            return None
        if tagged:
            reader = tagged.get(value.get("object")) if isinstance(value, dict) else first
            if reader is None:
                raise _WrongError(f"object {value.get('object')!r} is unknown")
            return reader(value)
        return next((reader for kind, reader in scalars if _is(kind, value)), first)(value)

    return read


def _dict_reader(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _WrongError(f"{value!r:.80} is not an object")
        return {key: _at(f".{key}", reader, each) for key, each in value.items()}

    return read


def _list_reader(origin: Any, reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise _WrongError(f"{value!r:.80} is not a list")
        return origin(_at(number, reader, each) for number, each in enumerate(value))

    return read


def _at(place: str | int, reader: Callable[[Any], Any], value: Any) -> Any:
    try:
        return reader(value)
    except _WrongError as wrong:
        wrong.path.append(place if isinstance(place, str) else f"[{place}]")
        raise


def _scalar_reader(kind: Any) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value.__class__ is kind:  # the exact type, the usual case; isinstance would take a bool for an int
            return value
        if not _is(kind, value):
            raise _WrongError(f"{value!r:.80} is not of type {kind.__name__}")
        return kind(value)  # Ansible hands over subclasses of the usual types

    return read


def _is(kind: type, value: Any) -> bool:
    """Whether a scalar is of the kind: true is not a number here, an integer is a fraction, too."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
