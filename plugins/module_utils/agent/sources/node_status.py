# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our own node in the Kubernetes API: what it must say, its annotations and its condition, and the patches for that."""

from __future__ import annotations

import threading
import time
from typing import Any

from ...kube.annotations import difference, relevant
from ...kube.client import ApiError, Client
from ...kube.http import Waker
from ...kube.reflector import NODES, condition
from ..backoff import Backoff
from ..log import Log

#: Seconds for which a node must be wrong before the API is told so: most of what is wrong is mended at once.
PATIENCE = 5.0
CONDITION = "NetworkUnavailable"
_PATCH = "application/strategic-merge-patch+json"


class OwnNode:
    """The node of that name. ``reason`` says why it could not be patched, "" if it could."""

    def __init__(self, waker: Waker, pauses: Backoff, log: Log) -> None:
        self.name = self.reason = ""
        self.errors = self.patches = self.received = 0
        self._waker, self._pauses, self._log = waker, pauses, log
        self._after = 0.0
        # what it says, as the API told last
        self._told: dict[str, str] | None = None
        self._condition: dict[str, Any] = {}
        # what it must say; the loop's thread writes it
        self._lock = threading.Lock()
        self._wanted: dict[str, str | None] = {}
        self._level: tuple[bool, str, float] | None = None

    def must_say(self, annotations: dict[str, str | None], level: bool, reason: str) -> None:
        """It must have ``annotations`` (None: not have it), and say whether its network is ``level``, or why not."""
        with self._lock:
            old = self._level
            since = old[2] if old and old[0] == level else time.monotonic()
            changed = old is None or old[:2] != (level, reason) or annotations != self._wanted
            self._wanted, self._level = annotations, (level, reason, since)
        if changed:
            self._waker.wake()

    def says(self, node: dict[str, Any]) -> None:
        """This is how the API has it."""
        self._told = relevant(node["metadata"].get("annotations"))
        self._condition = condition(node, CONDITION)

    def tell(self, like: Client) -> None:
        """Patches it where it does not say what it must, through a client ``like`` this one."""
        now = time.monotonic()
        with self._lock:
            wanted, level = self._wanted, self._level
        if self._told is None or level is None:
            return
        patch = self._patch(wanted, self._told, level, now)
        if not patch:
            return
        if now < self._after:
            self._waker.remind(self._after)
            return
        client = Client(like.credentials, self._waker)
        try:
            node = client.call("PATCH", f"{NODES}/{self.name}/status", patch, _PATCH)
            self.patches += 1
            self._pauses.reset()
            self.reason = ""
            self.says(node)
        except (ApiError, OSError, ValueError, KeyError, TypeError) as error:
            self.errors += 1
            self.reason = f"our own node could not be patched: {error}"
            self._log.warning(self.reason)
            asked = error.retry_after if isinstance(error, ApiError) else 0
            self._after = now + max(asked, self._pauses.next())
            self._waker.remind(self._after)
        finally:
            client.close()
            self.received += client.received

    def _patch(
        self, wanted: dict[str, str | None], told: dict[str, str], level: tuple[bool, str, float], now: float
    ) -> dict[str, Any]:
        """The strategic merge patch that it needs, empty for none."""
        patch: dict[str, Any] = {}
        changes = difference(wanted, told)
        if changes:
            patch["metadata"] = {"annotations": changes}
        good, reason, since = level
        if not good and now < since + PATIENCE:
            self._waker.remind(since + PATIENCE)
        elif self._condition.get("status") != ("False" if good else "True"):
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            patch["status"] = {
                "conditions": [
                    {
                        "type": CONDITION,
                        "status": "False" if good else "True",
                        "reason": "PodnetIsLevel" if good else "PodnetIsNotLevel",
                        "message": "podnetd has made this node's overlay" if good else reason[:500],
                        "lastHeartbeatTime": at,
                        "lastTransitionTime": at,
                    }
                ]
            }
        return patch
