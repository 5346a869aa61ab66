# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of a cluster, kept up to date node by node: the same that ``lease.admit`` makes of all of them at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...kube.annotations import check
from ...overlay.config import Config, ConfigError
from ...overlay.lease import Book, Lease, LeaseError, Leases, Taken


class Admission:
    """Takes in entries of nodes and tells which of them can be believed.

    An entry is a text ``"SINCE {JSON}"``: when the node was made, and what ``annotations.read`` made of it; kept as
    text since a cluster has thousands. Where two contradict each other, this node's own wins, then the older one.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.entries: dict[str, str] = {}
        self._book: Book | None = None
        self._own: Lease | None = None
        self._peers: dict[str, Lease] = {}
        self._refused: dict[str, str] = {}
        #: Who of the refused ones is so because of whom, an older one.
        self._because: dict[str, str] = {}

    def change(self, entries: Mapping[str, str | None]) -> None:
        """Takes new entries by node name; None for a node that is gone."""
        for name, text in entries.items():
            if text is None:
                self.entries.pop(name, None)
            else:
                self.entries[name] = text
        if self.config.node_name in entries or not all(map(self._exchange, entries)):
            self._book = None

    def configure(self, config: Config) -> None:
        """Takes another configuration of this node."""
        if config != self.config:
            self.config = config
            self._book = None

    def leases(self) -> Leases:
        """What is known. Raises ConfigError when this node's own entry is missing or wrong."""
        if self._book is None:
            self._all()
        assert self._own is not None
        return Leases(self._own, list(self._peers.values()), dict(self._refused))

    def _all(self) -> None:
        """Looks at every entry, the oldest first."""
        name = self.config.node_name
        if name not in self.entries:
            raise ConfigError(f"{name}, this node, has no pod CIDR: is it a node of the cluster under this name?")
        try:
            self._own = check(self.config, entry(self.entries[name]))
            Book(self.config, None).enter(self._own)
        except LeaseError as error:
            raise ConfigError(f"{name}, this node: {error}") from None
        self._book = Book(self.config, self._own)
        self._peers, self._refused, self._because = {}, {}, {}
        for _text, each in sorted((text, each) for each, text in self.entries.items()):
            if each != name:
                self._enter(each)

    def _exchange(self, name: str) -> bool:
        """Lets go of what is known of one node, and takes its entry in; whether all others stay what they are.

        They do unless it stood in another's way or stands in an older one's now: who is refused is so because of one
        that is older and still there, and who was taken contradicts none of those that are.
        """
        if self._book is None or name in self._because.values():
            return False
        self._because.pop(name, None)
        self._refused.pop(name, None)
        old = self._peers.pop(name, None)
        if old:
            self._book.leave(old)
        return name not in self.entries or self._enter(name)

    def _enter(self, name: str) -> bool:
        """Takes an entry in, or refuses it; false where that is because of another."""
        assert self._book
        try:
            lease = check(self.config, entry(self.entries[name]))
            self._book.enter(lease)
            self._peers[name] = lease
        except Taken as error:
            self._refused[name], self._because[name] = str(error), error.other
            return False
        except LeaseError as error:  # its own fault, whatever the others are
            self._refused[name] = str(error)
        return True


def entry(text: str) -> dict[str, Any]:
    """The JSON of an entry's text."""
    found: dict[str, Any] = json.loads(text.partition(" ")[2])
    return found
