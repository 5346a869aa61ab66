# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our own Node in the Kubernetes API: desired and actual annotations and condition, and the patch between them."""

from __future__ import annotations

import time
from typing import Any

from ...kube.annotations import difference, relevant
from ...kube.reflector import condition
from ..backoff import Backoff

#: Seconds for which a node must be out of sync before the API says so: most drift is repaired at once.
PATIENCE = 5.0
CONDITION = "NetworkUnavailable"
STRATEGIC_MERGE = "application/strategic-merge-patch+json"


class NodeStatus:
    """Not for two threads at once: its owner holds a lock. ``reason`` says why the last patch failed, "" if it did
    not; ``errors``, ``patches`` and ``received`` (bytes) count."""

    def __init__(self, pauses: Backoff) -> None:
        self.name = self.reason = ""
        self.errors = self.patches = self.received = 0
        self._pauses = pauses
        self._after = 0.0
        # actual, as the API had it last
        self._annotations: dict[str, str] | None = None
        self._condition: dict[str, Any] = {}
        # desired
        self._wanted: dict[str, str | None] = {}
        #: Whether the node is in sync, why not, and since when (by ``time.monotonic``).
        self._in_sync: tuple[bool, str, float] | None = None

    def want(self, annotations: dict[str, str | None], in_sync: bool, reason: str) -> None:
        """It should have ``annotations`` (None: not have it), and say whether it is ``in_sync``, or why not."""
        old = self._in_sync
        since = old[2] if old and old[0] == in_sync else time.monotonic()
        self._wanted, self._in_sync = annotations, (in_sync, reason, since)

    def observe(self, node: dict[str, Any]) -> None:
        """This is how the API has it."""
        self._annotations = relevant(node["metadata"].get("annotations"))
        self._condition = condition(node, CONDITION)

    def patch(self) -> dict[str, Any]:
        """The strategic merge patch to send now, empty for none."""
        patch, at = self._pending()
        return patch if time.monotonic() >= at else {}

    def due(self) -> float | None:
        """When there will be a patch without further news, by ``time.monotonic``; None for never."""
        patch, at = self._pending()
        return at if patch else None

    def patched(self, node: dict[str, Any]) -> None:
        """The patch was accepted; ``node`` is the answer."""
        self.patches += 1
        self._pauses.reset()
        self.reason = ""
        self.observe(node)

    def failed(self, reason: str, asked: float) -> None:
        """The patch was not accepted; the server ``asked`` to wait so many seconds."""
        self.errors += 1
        self.reason = f"own Node not patched: {reason}"
        self._after = time.monotonic() + max(asked, self._pauses.next())

    def _pending(self) -> tuple[dict[str, Any], float]:
        """What must be patched, and when. That the network is unavailable is said late, annotations are at once."""
        patch: dict[str, Any] = {}
        if self._annotations is None or self._in_sync is None:
            return patch, 0.0
        in_sync, reason, since = self._in_sync
        at = 0.0 if in_sync else since + PATIENCE
        if self._condition.get("status") != ("False" if in_sync else "True"):
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            unavailable = {
                "type": CONDITION,
                "status": "False" if in_sync else "True",
                "reason": "PodnetInSync" if in_sync else "PodnetOutOfSync",
                "message": "podnetd has set up this node's overlay" if in_sync else reason[:500],
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
            }
            patch["status"] = {"conditions": [unavailable]}
        changes = difference(self._wanted, self._annotations)
        if changes:
            if time.monotonic() < at:
                patch.clear()
            patch["metadata"] = {"annotations": changes}
            at = 0.0
        return patch, max(self._after, at)
