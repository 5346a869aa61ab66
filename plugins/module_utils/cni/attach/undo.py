# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All or nothing, and all that can be: how ADD fails, and how DEL and GC go on."""

from __future__ import annotations

from ..spec.errors import CniError


class Undo:
    """Steps back. In a ``with`` that ends by an exception they are taken, the last one first."""

    def __init__(self) -> None:
        self.steps: list = []

    def append(self, step) -> None:
        """`step` takes back what was just done; it is called without arguments."""
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
                continue  # the first failure is the one that counts


def each(*steps) -> None:
    """Takes every step, whatever becomes of the others; raises the first failure in the end."""
    failures = []
    for step in steps:
        try:
            step()
        except (CniError, OSError) as error:
            failures.append(error)
    if failures:
        raise failures[0]
