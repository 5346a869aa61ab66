# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON without the ``json`` package, whose import takes longer than a plugin's work.

The interpreter's C scanner parses; an interpreter without it uses ``json``.
"""

from __future__ import annotations

try:
    from _json import encode_basestring_ascii as quote
    from _json import make_scanner as Scanner
except ImportError:  # an interpreter without the C accelerator
    from json.encoder import encode_basestring_ascii as quote

    Scanner = None  # type: ignore[assignment,misc]

BLANK = " \t\r\n"


class _Strict:
    """The attributes that the C scanner reads of its caller."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    memo: dict = {}

    @staticmethod
    def parse_constant(name: str) -> None:
        raise ValueError(f"{name} is not JSON")


def loads(data: bytes):
    """The value in `data`, which must hold exactly one JSON document in UTF-8.

    Raises ValueError for anything else, and for nesting beyond the interpreter's limit.
    """
    source = data.decode("utf-8").strip(BLANK)
    if Scanner is None:
        return _slow(source)
    try:
        value, end = Scanner(_Strict())(source, 0)  # type: ignore[arg-type]
    except StopIteration as stop:
        raise ValueError(f"no JSON value at character {stop.value}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except SystemError:  # to word its error the scanner would import the package that is not loaded
        return _slow(source)
    if end != len(source):
        raise ValueError(f"more data at character {end}, after the JSON value")
    return value


def _slow(source: str):
    import json  # pylint: disable=import-outside-toplevel

    return json.loads(source, parse_constant=_Strict.parse_constant)


def dumps(value, indent: str = "\n") -> str:
    """`value` (dicts, lists, strings, numbers, booleans, None) as JSON in ASCII, indented for people."""
    deeper = indent + "    "
    if isinstance(value, dict):
        inside = [f"{quote(str(key))}: {dumps(item, deeper)}" for key, item in value.items()]
        return "{" + deeper + ("," + deeper).join(inside) + indent + "}" if inside else "{}"
    if isinstance(value, (list, tuple)):
        inside = [dumps(item, deeper) for item in value]
        return "[" + deeper + ("," + deeper).join(inside) + indent + "]" if inside else "[]"
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    raise TypeError(f"{value!r} is not a JSON value")
