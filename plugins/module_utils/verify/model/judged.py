# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node's rules do with a packet, as the node itself has evaluated them (``netlink.ruleset``)."""

from __future__ import annotations

from dataclasses import field
from typing import Optional

from .record import record

#: Protocols whose packets are judged for each pair of addresses.
ICMP, TCP, UDP = 1, 6, 17
NAMES = {ICMP: "ICMP", TCP: "TCP", UDP: "UDP"}


@record
class RuleState:
    """A rule by its chain and ``handle``, which of iptables' own tables is its number; with its ``comment``."""

    family: str
    table: str
    chain: str
    handle: int
    comment: str = ""

    def __str__(self) -> str:
        what = "number" if self.family.endswith("-legacy") else "handle"
        comment = f' ("{self.comment}")' if self.comment else ""
        return f"{self.family} {self.table} {self.chain} {what} {self.handle}{comment}"

    @property
    def of_kube_proxy(self) -> bool:
        """Whether kube-proxy, or the kubelet, has made it."""
        return self.table == "kube-proxy" or self.chain.startswith("KUBE-")

    @property
    def removal(self) -> str:
        """The command that deletes the rule."""
        if self.family.endswith("-legacy"):
            return f"{self.family} -t {self.table} -D {self.chain} {self.handle}"
        return f"nft delete rule {self.family} {self.table} {self.chain} handle {self.handle}"


@record
class Translation:
    """What a rule did on the way: ``kind`` dnat, redirect, snat, masquerade or notrack; to which address and port."""

    kind: str
    rule: RuleState
    address: str = ""
    port: int = 0


@record
class PacketOutcome:
    """What may become of a packet on the node: ``verdict`` accept, drop, reject, queue, stolen or unrouted; where it
    ended (``hook``, base ``chain``), by which ``rule`` (None for the chain's policy). ``unknown`` names conditions that
    could not be evaluated and were guessed; ``source``, ``destination`` and ``port`` are as it leaves."""

    verdict: str
    source: str
    destination: str
    port: int
    hook: str = ""
    chain: str = ""
    rule: Optional[RuleState] = None
    translations: list[Translation] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def translation(self, *kinds: str) -> Translation | None:
        """The first of these kinds."""
        return next((one for one in self.translations if one.kind in kinds), None)


@record
class JudgedPacket:
    """A packet from ``source`` to ``target``, of a connection's beginning or of its answers (``reply``), that comes in
    by ``iif``, "" for one that the node sends. ``port`` is the target's, or that of the side that answers."""

    source: str
    target: str
    protocol: int
    port: int
    iif: str
    reply: bool
    outcomes: list[PacketOutcome]
