# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A list of leases that is read again and again: only what differs from the last time is checked anew."""

from __future__ import annotations

import marshal

from ...overlay import lease
from ...overlay.config import Config
from ...overlay.lease import Book, Lease, LeaseError, Leases


class Register:
    """What ``lease.admit`` tells of a list, the same for every list, in less time for one that hardly differs from the
    one before: of each entry a fingerprint is kept."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._prints: dict[str, int] = {}
        self._own: Lease | None = None
        self._peers: dict[str, Lease] = {}
        self._book: Book | None = None

    def admit(self, config: Config, entries: object) -> Leases:
        """As ``lease.admit``. Raises ConfigError."""
        prints = _prints(entries)
        if prints is not None and self._book is not None and config == self._config:
            changed = [name for name, each in prints.items() if self._prints.get(name) != each]
            gone = [name for name in self._prints if name not in prints]
            if config.node_name not in (*changed, *gone) and self._turn(entries, set(changed), gone):
                self._prints = prints
                assert self._own is not None
                return Leases(self._own, list(self._peers.values()), {})
        self._book = None
        leases, book = lease.enter_all(config, entries)
        if prints is not None and not leases.refused:
            self._config, self._prints, self._own = config, prints, leases.own
            self._peers = {peer.name: peer for peer in leases.peers}
            self._book = book
        return leases

    def _turn(self, entries: object, changed: set[str], gone: list[str]) -> bool:
        """Takes the difference in; whether nothing in it contradicts the rest."""
        assert self._book is not None and isinstance(entries, list)
        for name in (*gone, *changed):
            left = self._peers.pop(name, None)
            if left:
                self._book.leave(left)
        try:
            for entry in entries:
                if changed and entry["name"] in changed:
                    come = lease.parse(entry)
                    self._book.enter(come)
                    self._peers[come.name] = come
        except LeaseError:
            return False  # who is refused then depends on the whole list
        return True


def _prints(entries: object) -> dict[str, int] | None:
    """Each entry's fingerprint by its name; None for a list in which something is wrong."""
    if not isinstance(entries, list):
        return None
    found: dict[str, int] = {}
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or name in found:
            return None
        found[name] = hash(marshal.dumps(entry, 2))  # version 2 has no references: equal data, equal bytes
    return found
