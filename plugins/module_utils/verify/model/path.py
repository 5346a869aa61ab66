# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a way in one direction is: its ends, and its hops in order."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .endpoint import End
from .hop import Hop


@dataclass
class Leg:
    """The way in one direction: ``way`` is "there" or "back"."""

    way: str
    source: End
    target: End
    hops: list[Hop] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
