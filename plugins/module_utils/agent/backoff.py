# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long to wait before trying again: longer each time, and never in step with others."""

from __future__ import annotations

import os


def chance() -> float:
    """A number from 0 to 1; the module ``random`` would cost a node half a megabyte."""
    return os.urandom(1)[0] / 255


class Backoff:
    """Delays that double from ``first`` to ``most`` seconds, each shortened by chance by up to half, so that the nodes
    of a cluster do not all come back at once."""

    def __init__(self, first: float = 0.5, most: float = 60.0) -> None:
        self.first = first
        self.most = most
        self.failures = 0

    def next(self) -> float:
        """The seconds to wait after one more failure."""
        delay = min(self.most, self.first * 2 ** min(self.failures, 30))
        self.failures += 1
        return delay * (1 + chance()) / 2

    def reset(self) -> None:
        """It worked."""
        self.failures = 0
