# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Enforcement of policies inside the agent's loop: what wakes it, and when it is called though nothing happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from ...overlay.config import Config
from ...overlay.lease import Lease
from ..backoff import chance
from ..loop import IDLE, Loop
from .enforcer import Enforcer

#: Seconds between two comparisons of everything with the kernel; events that belong together come within BURST, and a
#: process that keeps undoing what we do gets one comparison in REFILL.
RESYNC, BURST, REFILL = 300.0, 0.05, 1.0


class PolicyService:
    """``enforcer`` in ``loop``."""

    def __init__(self, enforcer: Enforcer, loop: Loop) -> None:
        self.enforcer = enforcer
        self.loop = loop
        self._following = False
        self._compared_at = 0.0

    def open(self) -> None:
        """Restores the table and starts to answer ADD. Raises OSError."""
        self.loop.every("policies", self._pause, partial(self._do, self.enforcer.settle))
        self.loop.every("policy drift", lambda: RESYNC * (0.9 + chance() / 5), self._compare)
        self.enforcer.open()
        self.loop.register(self.enforcer.gate, partial(self._do, self.enforcer.calls))

    def begin(self, config: Config, own: Lease) -> None:
        """Enforces what the API says for this node; again when its lease has changed."""
        links = (config.bridge,) if config.bridge else ()
        self.enforcer.begin(own.name, tuple(map(str, own.pod_cidrs)), links)
        if not self._following:
            self._following = True
            self.loop.register(self.enforcer, partial(self._do, self.enforcer.news))

    def drifted(self) -> None:
        """Another process has changed our table."""
        self.loop.hasten("policy drift", max(BURST, self._compared_at + REFILL - time.monotonic()))

    def _compare(self) -> None:
        self._compared_at = time.monotonic()
        self._do(partial(self.enforcer.reconcile, "drift", True))

    def _do(self, action: Callable[[], None]) -> None:
        try:
            action()
        finally:
            self.loop.hasten("policies", self._pause())

    def _pause(self) -> float:
        pause = self.enforcer.pause()
        return IDLE if pause is None else pause
