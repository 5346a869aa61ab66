# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of many selectors match a label set, without asking each: they are filed under a label that they require."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from .model import Peer
from .selectors import Hint, Labels

Value = TypeVar("Value")


class Index(Generic[Value]):
    """Values under peers (pods by selectors). A look-up costs the product of the two label sets' sizes, and what is
    filed under their labels; it does not depend on how many peers there are."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, Hint, Hint], dict[tuple[Peer, Value], None]] = {}

    def add(self, peer: Peer, value: Value) -> None:
        self._files.setdefault(_place(peer), {})[peer, value] = None

    def remove(self, peer: Peer, value: Value) -> None:
        place = _place(peer)
        entries = self._files[place]
        del entries[peer, value]
        if not entries:
            del self._files[place]

    def matching(self, namespace: str, namespace_labels: Labels, labels: Labels) -> Iterator[Value]:
        """The values of all peers that match a pod with these labels; one that is filed under several peers may come
        several times."""
        pod, around = dict(labels), dict(namespace_labels)
        for pods_hint in _hints(pod):
            for namespaces_hint in _hints(around):
                for place in ((namespace, pods_hint, namespaces_hint), ("", pods_hint, namespaces_hint)):
                    for peer, value in self._files.get(place, ()):
                        if peer.pods.matches(pod) and peer.namespaces.matches(around):
                            yield value


def _place(peer: Peer) -> tuple[str, Hint, Hint]:
    return peer.namespace, peer.pods.hint, peer.namespaces.hint


def _hints(labels: Mapping[str, str]) -> list[Hint]:
    return ["", *labels, *labels.items()]
