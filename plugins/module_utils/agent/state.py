# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the agent knows about itself: the daemon and its reconciler write it, health, metrics and status read it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable

from ..findings.finding import Finding
from ..ipam.usage import Usage, reserved, usage
from .reconciler import Reconciler
from .settings import Settings

if TYPE_CHECKING:
    from .policies.enforcer import Enforcer
    from .prober import Prober
    from .sources.source import SourceStatus


class State:
    """``source``: the lease source's own status; ``prober`` and ``enforcer``: None where the settings want none. Times
    called ``_at`` are of ``time.time``, None before the first."""

    def __init__(
        self,
        settings: Settings,
        reconciler: Reconciler,
        source: Callable[[], SourceStatus],
        prober: Prober | None,
        enforcer: Enforcer | None = None,
    ) -> None:
        self.settings = settings
        self.reconciler = reconciler
        self.source = source
        self.prober = prober
        self.enforcer = enforcer
        self.started_at = time.time()
        self.in_sync_since: float | None = None
        self.reconciled_at: float | None = None
        #: Seconds that the last reconciliation took, and the longest one.
        self.duration = self.longest_duration = 0.0
        #: Why the source's configuration cannot be used; the one of before is kept.
        self.invalid: Finding | None = None
        #: What is wrong and not the agent's to repair.
        self.warnings: list[Finding] = []
        self.addresses_released = 0
        #: What writes the metrics, in words.
        self.metrics_writer = "not scraped yet"
        self._reconciled = time.monotonic()

    @property
    def node(self) -> str:
        """This node's name, "" while it is unknown."""
        return self.reconciler.config.node_name if self.reconciler.config else ""

    def addresses(self) -> list[Usage]:
        """How many addresses of this node's pod CIDRs are reserved now."""
        leases = self.reconciler.leases
        return usage(leases.own.pod_cidrs, reserved(f"{self.settings.cni}/networks")) if leases else []

    def reconciled(self, began: float, in_sync: bool) -> None:
        """A reconciliation has ended that ``began`` at that time of ``time.monotonic``."""
        self._reconciled = time.monotonic()
        self.reconciled_at = time.time()
        self.duration = self._reconciled - began
        self.longest_duration = max(self.longest_duration, self.duration)
        self.in_sync_since = (self.in_sync_since or self.reconciled_at) if in_sync else None

    def idle(self) -> float:
        """Seconds since the last reconciliation, 0 before the first."""
        return time.monotonic() - self._reconciled if self.reconciled_at else 0.0
