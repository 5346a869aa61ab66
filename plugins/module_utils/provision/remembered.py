# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node was brought to by node_state, kept on the node by name: node_facts plans all of it again in one call, so
that a run asks a node only for the states that differ.

A state's digest is the controller's: of what it asks for, and of the library that would do it.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ..converge import files
from ..converge.plan import StateError
from ..findings.finding import Finding
from . import node

DIRECTORY = "/var/lib/podnet/states"


def keep(name: str, digest: str, wanted: dict[str, Any], directory: str = DIRECTORY) -> None:
    """Keeps the state ``wanted`` (node_state's parameters) that the node was brought to, but not one with secrets.
    Raises OSError."""
    path = _path(directory, name)
    if any(spec.get("secret") and spec["content"] for spec in wanted["files"]):
        files.remove(path)
        return
    text = json.dumps({"digest": digest, "wanted": wanted}, indent=1) + "\n"  # in order: a conflist has one
    if files.read(path) != text:
        files.write(path, text, 0o600)


def in_sync(directory: str = DIRECTORY) -> dict[str, str]:
    """The digests, by name, of the states that the node still is in, with nothing to warn of."""
    try:
        names = [file[: -len(".json")] for file in os.listdir(directory) if file.endswith(".json")]
    except OSError:
        return {}
    found = {name: _holds(_path(directory, name)) for name in sorted(names)}
    return {name: digest for name, digest in found.items() if digest}


def _holds(path: str) -> str:
    """The digest of the state that is kept in the file; "" where the node is in another one, or its former library
    kept what this one does not understand."""
    warnings: list[Finding] = []
    try:
        kept = json.loads(files.read(path) or "")
        plan = node.plan(kept["wanted"], True, warnings.append)
        return "" if plan or warnings else str(kept["digest"])
    except (StateError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""


def _path(directory: str, name: str) -> str:
    return os.path.join(directory, f"{name}.json")
