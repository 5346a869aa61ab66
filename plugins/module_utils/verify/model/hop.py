# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hop of a packet's way, and what is found there."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

OK, BROKEN, SUSPECT, UNKNOWN = "ok", "broken", "suspect", "unknown"
APPLY = "podnetctl apply"


@dataclass
class Hop:
    """One hop. ``step`` is its kind (STEPS), ``name`` the object there, ``found`` and ``wanted`` say what is and what
    must be, ``verdict`` is ok, broken, suspect (it may be the cause) or unknown (nobody looked).

    ``follows``: what is wrong here is an effect of another hop's fault. ``sights``: where a packet must be seen that
    passes here, as (place, link, way); place is "node" or a pod's name. ``seen``: how many were.
    """

    node: str
    step: str
    name: str
    found: str = ""
    wanted: str = ""
    verdict: str = OK
    cause: str = ""
    cure: str = ""
    follows: bool = False
    sights: list[tuple[str, str, str]] = field(default_factory=list)
    seen: int | None = None
    suspects: list[str] = field(default_factory=list)

    def blame(self, cause: str, cure: str, follows: bool = False) -> Hop:
        """Enter a fault; the first one stays."""
        if self.verdict != BROKEN:
            self.verdict, self.cause, self.cure, self.follows = BROKEN, cause, cure, follows
        return self

    def doubt(self, cause: str, cure: str = "") -> Hop:
        """Enter what may be a fault."""
        self.suspects.append(cause)
        if self.verdict == OK:
            self.verdict, self.cause, self.cure = SUSPECT, cause, cure
        return self

    def place(self) -> str:
        """Where packets are looked for here."""
        if not self.sights:
            return f"{self.name} on {self.node}"
        place, link, _way = self.sights[0]
        return f"{link} of {self.node if place == 'node' else place}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


#: The kinds of hops, in a packet's order.
STEPS = {
    "pod": "the pod's interface",
    "pod-route": "the pod's route",
    "pod-neighbour": "the pod's neighbour entry for its gateway",
    "port": "the node's end of the pod's veth pair, a port of the bridge",
    "bridge": "the bridge",
    "service": "the translation of a Service's address",
    "forwarding": "forwarding",
    "filter": "the packet filter on the way through the node",
    "route": "the node's route",
    "nat": "the translation of sources",
    "device": "the tunnel's device",
    "neighbour": "the neighbour entry for the peer's VTEP",
    "fdb": "the forwarding entry for the peer's VTEP",
    "lease": "what the node knows of the peer",
    "underlay": "the underlay",
    "wire": "the wire between the nodes",
    "input": "the packet filter on the way into the node",
    "deliver": "the neighbour entry for the pod",
    "node": "the node itself",
    "outside": "the world outside the cluster",
}
