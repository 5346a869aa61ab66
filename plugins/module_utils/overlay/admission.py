# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Admission of leases: which of them this node serves, whole lists at once or one by one.

A refused lease never blocks another one. Of two in conflict this node's own wins, then the first.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable
from typing import Any, Callable

from ..findings.finding import Finding
from .config import Config, ConfigError
from .lease import LONGEST, Book, Lease, LeaseError, Leases, Taken, parse


class Admission:
    """Admits entries, each under a label: its node's name, or another where that is not one. ``read`` makes a Lease of
    an entry, and raises LeaseError."""

    def __init__(self, config: Config, read: Callable[[Any], Lease] = parse) -> None:
        self.config = config
        self._read = read
        self._book: Book | None = None
        self._own: Lease | None = None
        self._peers: dict[str, Lease] = {}
        self._refused: dict[str, Finding] = {}
        #: Which of the refused ones are so because of which others.
        self._because: dict[str, str] = {}

    def rebuild(self, entries: Iterable[tuple[str, Any]]) -> None:
        """Admits all of ``entries``, the first ones first. Raises ConfigError if this node's own one is missing or
        invalid."""
        peers = dict(entries)
        name = self.config.node_name
        self._book = None
        if name not in peers:
            raise ConfigError(f"{name}, this node, has no lease")
        try:
            self._own = self._read(peers.pop(name))
            if self.config.vtep_mac:
                self._own = self._own._replace(vtep_mac=self.config.vtep_mac)
            Book(self.config, None).enter(self._own)
        except LeaseError as error:
            raise ConfigError(f"{name}, this node: {error}") from None
        self._book = Book(self.config, self._own)
        self._peers, self._refused, self._because = {}, {}, {}
        for label, entry in peers.items():
            self._enter(label, entry)

    def remove(self, label: str) -> bool:
        """Drops an entry; whether that left all others as they are. If not, all must be rebuilt.

        It did unless the entry was in another's way: a lease is refused because of one that comes first and is still
        there.
        """
        if self._book is None or label == self.config.node_name or label in self._because.values():
            return False
        self._because.pop(label, None)
        self._refused.pop(label, None)
        old = self._peers.pop(label, None)
        if old:
            self._book.leave(old)
        return True

    def put(self, label: str, entry: Any) -> bool:
        """Takes a new or another entry; whether that left all others as they are, as for ``remove``."""
        return self.remove(label) and self._enter(label, entry)

    def leases(self) -> Leases:
        """What was admitted, and what was not."""
        assert self._own is not None
        return Leases(self._own, list(self._peers.values()), dict(self._refused))

    def _enter(self, label: str, entry: Any) -> bool:
        """Admits an entry, or refuses it; false where that is because of another."""
        assert self._book is not None
        try:
            lease = self._read(entry)
            self._book.enter(lease)
            self._peers[label] = lease
        except Taken as error:
            self._refused[label] = error.finding(self.config.node_name, label)
            self._because[label] = error.other
            return False
        except LeaseError as error:  # its own fault, whatever the others are
            self._refused[label] = error.finding(self.config.node_name, label)
        return True


class ListAdmission:
    """Admits a list that is read again and again, with the result of ``admit`` in less time where the list has hardly
    changed: a fingerprint is kept of the whole list, and of each entry."""

    def __init__(self) -> None:
        self._admission: Admission | None = None
        self._prints: dict[str, int] = {}
        self._whole = 0
        self._leases: Leases | None = None

    def admit(self, config: Config, entries: object) -> Leases:
        """As the function ``admit``; the very same object as before where neither argument has changed."""
        whole = _fingerprint(entries)
        if self._leases and self._admission and self._admission.config == config and self._whole == whole:
            return self._leases
        self._whole, self._leases = whole, self._read(config, entries)
        return self._leases

    def _read(self, config: Config, entries: object) -> Leases:
        labelled = _labelled(config, entries)
        prints = {label: _fingerprint(entry) for label, entry in labelled.items()}
        known, former = self._admission, self._prints
        self._admission = None
        changed = [label for label in {**former, **prints} if former.get(label) != prints.get(label)]
        if not (
            known is not None
            and known.config == config
            and all(known.remove(label) for label in changed if label in former)
            and all(known.put(label, labelled[label]) for label in changed if label in labelled)
            and not known.leases().refused
        ):
            known = Admission(config)
            _rebuild(known, labelled)
        leases = known.leases()
        if not leases.refused:  # who is refused depends on the order of the whole list
            self._admission, self._prints = known, prints
        return leases


def _fingerprint(data: Any) -> int:
    """Of decoded JSON."""
    return hash(marshal.dumps(data, 2))  # version 2 of marshal has no references: equal data, equal bytes


def admit(config: Config, entries: object) -> Leases:
    """Splits ``entries`` (decoded JSON: the list under "leases") into this node's own lease, usable peers and refused
    ones. Raises ConfigError if it is not a list, or this node's own lease is missing or invalid."""
    admission = Admission(config)
    _rebuild(admission, _labelled(config, entries))
    return admission.leases()


def _rebuild(admission: Admission, labelled: dict[str, Any]) -> None:
    try:
        admission.rebuild(labelled.items())
    except ConfigError as error:
        raise ConfigError(f"leases: {error}") from None


def _labelled(config: Config, entries: object) -> dict[str, Any]:
    """The entries by label: the node's name, or its place in the list for one without, or with another's. Raises
    ConfigError."""
    if not isinstance(entries, list):
        raise ConfigError(f"leases: {entries!r:.80} is not a list of leases")
    found: dict[str, Any] = {}
    for position, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if name == config.node_name and name in found:
            raise ConfigError(f"leases: {name}, this node, has more than one lease")
        label = name if isinstance(name, str) and 0 < len(name) < LONGEST else f"leases[{position}]"
        found[label if label not in found else f"{label} (leases[{position}])"] = entry
    return found
