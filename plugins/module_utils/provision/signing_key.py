# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The key that a package repository signs with: only one that is expected gets into the file that apt or dnf trusts."""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import partial

from ..converge import files
from ..converge.plan import Change, StateError
from . import openpgp


def judge(data: bytes, fingerprints: Collection[str], source: str) -> list[openpgp.Key]:
    """The keys in ``data``, which came from ``source``. Raises StateError unless there are some and each has one of the
    ``fingerprints`` (hexadecimal; none: any key will do)."""
    try:
        found = openpgp.keys(data)
    except ValueError as error:
        raise StateError(f"{source} {error}: correct the URL") from None
    wanted = {each.replace(" ", "").upper() for each in fingerprints}
    strange = [key.fingerprint for key in found if wanted and key.fingerprint not in wanted]
    if strange:
        raise StateError(
            f"{source} has the key {strange[0]}, expected {' or '.join(sorted(wanted))}, so it is not trusted: ask who "
            "runs the repository, and set kubernetes_repository_fingerprints if the key was replaced"
        )
    return found


def is_usable(data: bytes, fingerprints: Collection[str], now: float | None = None) -> bool:
    """Whether the file of a former run will do: its keys are expected, and one of them has not expired."""
    try:
        found = judge(data, fingerprints, "")
    except StateError:
        return False
    return any(not key.expires or key.expires > (time.time() if now is None else now) for key in found)


def plan(path: str, data: bytes) -> list[Change]:
    """Writes the key to ``path``, as a file that everybody can read: apt does so as a user of its own."""
    before, after = files.read(path), openpgp.armored(data)
    if before == after:
        return []
    write = partial(files.write, path, after, 0o644)
    return [Change("file", path, f"write file {path}", _shown(before or ""), _shown(after), write)]


def _shown(text: str) -> str:
    """A key as diff mode has it: by its fingerprint."""
    try:
        return "".join(f"{key.fingerprint}\n" for key in openpgp.keys(text.encode()))
    except ValueError:
        return ""
