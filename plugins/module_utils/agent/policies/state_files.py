# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ADD without the agent, and a boot without API, go by: written when it has changed."""

from __future__ import annotations

import json
import os
import time

from ...converge import files as whole_files
from ...policy import files
from ...policy.program import Program
from .places import Places

#: Seconds from a change to its being written, and between two writes.
SETTLE, PAUSE = 1.0, 30.0


class StateFiles:
    """Writes the gate's file at once, and the program in its time."""

    def __init__(self, places: Places) -> None:
        self.places = places
        #: The namespaces of the gate's file, () where nothing is known of it.
        self._announced: set[str] | tuple[()] | None = ()
        self._written = -PAUSE
        self._changed_at: float | None = None

    def announced(self) -> bool:
        """Whether an agent has announced itself before."""
        return os.path.exists(self.places.gate)

    def announce(self, namespaces: set[str] | None) -> None:
        """Has ADD ask from now on, and know in which ``namespaces`` (None: all) it cannot do without the answer.
        Raises OSError."""
        if namespaces == self._announced:
            return
        told = {
            "socket": self.places.socket,
            "records": self.places.records,
            "namespaces": None if namespaces is None else sorted(namespaces),
        }
        whole_files.write(self.places.gate, json.dumps(told) + "\n")
        self._announced = None if namespaces is None else set(namespaces)

    def changed(self) -> None:
        """The program is another than the one on disk."""
        if self._changed_at is None:
            self._changed_at = time.monotonic()

    def hasten(self) -> None:
        """What has changed is due now."""
        self._written = -PAUSE
        if self._changed_at is not None:
            self._changed_at = -SETTLE

    def due_at(self) -> float | None:
        """When it is time to write it, by ``time.monotonic``; None for never."""
        return None if self._changed_at is None else max(self._changed_at + SETTLE, self._written + PAUSE)

    def save(self, program: Program) -> None:
        """Writes the program when that is due. Raises OSError."""
        due = self.due_at()
        if due is not None and time.monotonic() >= due:
            self._written, self._changed_at = time.monotonic(), None
            files.save(self.places.program, program)

    def load(self) -> Program | None:
        """The program on disk, None where there is none of use."""
        return files.load(self.places.program)
