# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Program on disk, for the time after a boot in which the API cannot be asked: JSON, replaced in one step."""

from __future__ import annotations

import json
from typing import Any

from ..converge import files
from ..records.codec import from_json, to_json
from .program import Elements, Kind, Line, Local, Program, Source

#: Of the file's form; one of another version is not read.
VERSION = 2
#: Who may read which pod talks to which: root.
MODE = 0o600


def save(path: str, program: Program) -> None:
    """Writes the Program. Raises OSError; then the old file is as it was."""
    sets = {
        name: {**elements.kind._asdict(), "members": {key.hex(): data for key, data in elements.members.items()}}
        for name, elements in program.sets.items()
    }
    known = {key: [[each.hex() for each in local.addresses], *local[1:]] for key, local in program.locals.items()}
    whole = {"version": VERSION, "sets": sets, "chains": program.chains, "locals": known}
    whole["sources"] = to_json(program.sources)
    files.write(path, json.dumps(whole, separators=(",", ":")), MODE)


def load(path: str) -> Program | None:
    """The Program that was written last, whose chains and sets are to be put down as they are; None where there is
    none, or none that can be read. It is no start for a compiler, which counts reasons that are not on disk."""
    text = files.read(path)
    try:
        return _program(json.loads(text)) if text else None
    except (ValueError, TypeError, LookupError, AttributeError):
        return None


def _program(whole: dict[str, Any]) -> Program | None:
    if whole["version"] != VERSION:
        return None
    program = Program()
    for name, value in whole["sets"].items():
        kind = Kind(tuple(value["key"]), value["interval"], value["verdict"])
        program.sets[name] = Elements(kind, {bytes.fromhex(key): data for key, data in value["members"].items()})
    program.chains = {name: tuple(Line(*line) for line in lines) for name, lines in whole["chains"].items()}
    program.sources = {name: from_json(Source, value) for name, value in whole["sources"].items()}
    for key, (addresses, *chains) in whole["locals"].items():
        program.locals[key] = Local(tuple(bytes.fromhex(each) for each in addresses), *chains)
    return program
