# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a path in one direction is: its ends, and its hops in order."""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import NamedTuple

from .endpoint import Endpoint
from .hop import Hop, Step
from .record import record


class Direction(str, Enum):
    """From the trace's source to its target, or what is sent in answer."""

    FORWARD = "forward"
    RETURN = "return"

    def __str__(self) -> str:
        return self.value


@record
class Path:
    """The path in one direction."""

    direction: Direction
    source: Endpoint
    target: Endpoint
    hops: list[Hop] = field(default_factory=list)

    def first(self, step: Step, node: str) -> Hop | None:
        """The first hop of a kind on that node."""
        return next((hop for hop in self.hops if hop.step == step and hop.node == node), None)


class PathHop(NamedTuple):
    """A hop, and the path that it is on."""

    path: Path
    hop: Hop
