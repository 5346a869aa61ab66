# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decoded messages of former dumps: an equal message is not decoded again.

An agent reads thousands of unchanged objects in each reconciliation; comparing bytes is enough to know.
"""

from __future__ import annotations

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Seen:
    """The objects of one reconciliation's dumps by their messages; those of a ``former`` one are recalled."""

    def __init__(self, former: Seen | None = None) -> None:
        self._former = former.now if former else None
        self._comparable: bool = former is not None and not former.outdated
        self.now: dict[bytes, Any] = {}
        #: Set where something was changed since: the messages may be recalled, but say nothing about what is wanted.
        self.outdated: bool = False

    def recall(
        self, payloads: list[bytes], essence: Callable[[bytes], bytes], decode: Callable[[bytes], Any]
    ) -> list[Any]:
        """The objects that ``decode`` makes of the messages; ``essence``: what of a message the object is made from."""
        former, now = self._former or {}, self.now
        found = []
        for payload in payloads:
            key = essence(payload)
            thing = former.get(key)
            if thing is None:
                thing = decode(payload)
            now[key] = thing
            found.append(thing)
        return found

    @property
    def unchanged(self) -> bool:
        """Whether the look's dumps said what those of the former look did, all of it."""
        return self._comparable and self._former is not None and self._former.keys() == self.now.keys()

    def outdate(self) -> None:
        """From now on nothing counts as unchanged, in this look and compared with it."""
        self.outdated = True
        self._comparable = False

    def close(self) -> Seen:
        """Forgets the former look's."""
        self._former = None
        return self
