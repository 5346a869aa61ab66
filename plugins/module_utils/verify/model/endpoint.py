# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ends of a path: pods, nodes, Services, and what lies outside."""

from __future__ import annotations

from dataclasses import dataclass


class EndpointError(ValueError):
    """What was given cannot be an endpoint; the text says why and what would be right."""


@dataclass(frozen=True)
class Endpoint:
    """One end: ``kind`` is pod, node, service or outside; ``node`` is "" for what lies outside.

    A Service's ``backends`` are its endpoints' addresses; ``node`` is set where it is asked for by a node's port.
    ``local``: its traffic policy leads to endpoints on the same node only; ``protocols`` those of its ports, none where
    they are not known."""

    kind: str
    name: str
    address: str
    node: str = ""
    backends: tuple[str, ...] = ()
    local: bool = False
    protocols: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.address if self.name == self.address else f"{self.name} ({self.address})"
