# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How ADD undoes its work on failure, and how DEL and GC continue past failures."""

from __future__ import annotations

from ..spec.errors import CniError


class Undo:
    """Steps that undo work. If its ``with`` ends by an exception, they are taken, the last one first."""

    def __init__(self) -> None:
        self.steps: list = []

    def append(self, step) -> None:
        """`step` undoes what was just done; it is called without arguments."""
        self.steps.append(step)

    def __enter__(self) -> Undo:
        return self

    def __exit__(self, failure: object, *_more: object) -> None:
        if failure is None:
            return
        for step in reversed(self.steps):
            try:
                step()
            except (CniError, OSError):
                continue  # report the first failure


def each(*steps) -> None:
    """Takes every step, even after failures; raises the first failure at the end."""
    failures = []
    for step in steps:
        try:
            step()
        except (CniError, OSError) as error:
            failures.append(error)
    if failures:
        raise failures[0]
