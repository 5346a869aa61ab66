# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A packet's way through the hooks of a node: which rule drops, rejects, translates or untracks it.

Base chains run by priority. Connection tracking comes at -200, so what is before sees no connection. Chains of type nat
all run where NAT does, at -100 and 100, in the order of their priorities, for new connections only, and the first that
translates is the last that is asked (net/netfilter/nf_nat_core.c, nf_nat_inet_fn()).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from . import choices
from .choices import Choices
from .machine import STATUS, Machine
from .packet import INVALID, NEW, UNTRACKED, Host, Packet
from .read import Base, Rule, Ruleset
from .verdicts import ACCEPT, DROP
from .xt import Nat

CONNTRACK, NAT_DESTINATION, NAT_SOURCE = -200, -100, 100
_DESTINATION_HOOKS = ("prerouting", "output")
#: Address families by the families of the chains that see their packets.
_FAMILIES = {4: ("ip", "inet", "iptables-legacy"), 6: ("ip6", "inet", "ip6tables-legacy")}
#: The verdict on a packet that no route leads on, besides those of rules.
UNROUTED = "unrouted"
#: How many addresses of a range are told apart.
_RANGE = 16


class Effect(NamedTuple):
    """What a rule did on the way: ``kind`` dnat, redirect, snat, masquerade or notrack; to which address and port."""

    kind: str
    rule: Rule
    address: str = ""
    port: int = 0


class Outcome(NamedTuple):
    """What may become of a packet: ``verdict`` accept, drop, reject, queue or stolen, given by ``rule`` or by the
    policy of ``base`` at ``hook`` (both None where all accept), or UNROUTED. ``packet`` is as it leaves, ``effects``
    what was done to it; ``unknown`` names what had to be guessed for this outcome."""

    verdict: str
    packet: Packet
    hook: str = ""
    base: Base | None = None
    rule: Rule | None = None
    effects: tuple[Effect, ...] = ()
    unknown: tuple[str, ...] = ()


class Route(NamedTuple):
    """Where the node sends a packet: to itself (``local``), or by ``link``; neither where no route leads there."""

    local: bool
    link: str


class Node(Host, Protocol):
    """What a walk asks of the node besides what its rules do."""

    def route(self, packet: Packet) -> Route:
        """Where the node sends the packet as it is now."""


def outcomes(ruleset: Ruleset, node: Node, packet: Packet) -> Iterator[Outcome]:
    """All that may become of a packet that comes in by ``packet.iif``, or, where that is "", that the node sends."""
    return choices.runs(lambda taken: _Walk(ruleset, node, packet.copy(), taken).all())


def at_base(ruleset: Ruleset, node: Node, packet: Packet, base: Base) -> Iterator[Outcome]:
    """All that may become of the packet in one base chain alone."""
    return choices.runs(lambda taken: _Walk(ruleset, node, packet.copy(), taken).only(base))


class _Walk:
    def __init__(self, ruleset: Ruleset, node: Node, packet: Packet, taken: Choices) -> None:
        self._ruleset, self._node, self._packet, self._taken = ruleset, node, packet, taken
        self._machine = Machine(ruleset, node, packet, taken, self._translate, self._untrack)
        self._effects: list[Effect] = []
        self._hook, self._priority, self._translated = "", 0, False
        self._real = packet.state  # what connection tracking will say
        self._ended: tuple[str, Base | None, Rule | None] | None = None

    def only(self, base: Base) -> Outcome:
        self._at(base.hook, base)
        return self._outcome()

    def all(self) -> Outcome:
        packet, node = self._packet, self._node
        if packet.iif:
            arrived = self._at("ingress") and self._at("prerouting")
        else:
            route = node.route(packet)
            packet.oif = "lo" if route.local else route.link
            arrived = bool(packet.oif) and self._at("output")
            if not packet.oif:  # nothing is sent, whatever the rules of the hook output would make of it
                self._hook, self._ended = "routing", (UNROUTED, None, None)
        if arrived:
            route = node.route(packet)
            if route.local and packet.iif:
                self._at("input")
            elif not route.local and not route.link:
                self._hook, self._ended = "routing", (UNROUTED, None, None)
            else:
                packet.oif = "lo" if route.local else route.link
                if (not packet.iif or self._at("forward")) and self._at("postrouting"):
                    self._at("egress")
        return self._outcome()

    def _outcome(self) -> Outcome:
        verdict, base, rule = self._ended or (ACCEPT, None, None)
        hook = self._hook if self._ended else ""
        effects, unknown = tuple(self._effects), tuple(self._taken.unknown)
        return Outcome(verdict, self._packet, hook, base, rule, effects, unknown)

    def _at(self, hook: str, only: Base | None = None) -> bool:
        """Whether the packet passes the hook, or the one chain there."""
        self._hook, packet = hook, self._packet
        self._translated = False
        for base in self._bases(hook):
            if only not in (None, base):
                continue
            self._priority = _place(base)
            early = hook == "ingress" or (hook in _DESTINATION_HOOKS and self._priority < CONNTRACK)
            if self._real != UNTRACKED:
                packet.state = INVALID if early else self._real
            if base.kind == "nat" and (self._translated or packet.state != NEW):
                continue
            end = self._machine.chain(base.key)
            verdict, rule = (end.verdict, end.rule) if end else (DROP if base.drops else ACCEPT, None)
            if verdict != ACCEPT:
                self._ended = verdict, base, rule
                return False
        if self._real != UNTRACKED:
            packet.state = self._real
        return True

    def _bases(self, hook: str) -> list[Base]:
        device = self._packet.iif if hook == "ingress" else self._packet.oif
        found = []
        for base in self._ruleset.bases():
            if base.hook != hook or (base.devices and device not in base.devices):
                continue
            if base.key.family == "netdev" or base.key.family in _FAMILIES[self._packet.family]:
                found.append(base)
        return sorted(found, key=lambda base: (_place(base), base.priority))

    def _untrack(self, rule: Rule) -> None:
        if self._hook in _DESTINATION_HOOKS and self._priority < CONNTRACK and self._real == NEW:
            self._real = self._packet.state = UNTRACKED
            self._effects.append(Effect("notrack", rule))

    def _translate(self, rule: Rule, nat: Nat) -> str:
        """Do what a rule of type nat says; returns its verdict."""
        packet = self._packet
        address, port = nat.first, nat.port
        if nat.kind == "masquerade":
            address = self._node.address_on(packet.oif, packet.daddr)
        elif nat.kind == "redirect":
            own = b"\x7f\0\0\1" if packet.family == 4 else bytes(15) + b"\1"
            address = self._node.address_on(packet.iif, packet.saddr) if packet.iif else own
        if nat.kind in ("masquerade", "redirect") and not address:
            return DROP  # no address on the link
        if nat.last != nat.first and nat.first:
            first = int.from_bytes(nat.first, "big")
            several = min(int.from_bytes(nat.last, "big") - first + 1, _RANGE)
            address = (first + self._taken.take(max(several, 1))).to_bytes(len(nat.first), "big")
        self._translated = True
        before = packet.saddr, packet.daddr, packet.dport
        if nat.kind in ("dnat", "redirect"):
            packet.daddr, packet.dport = address or packet.daddr, port or packet.dport
            effect = Effect(nat.kind, rule, packet.destination, packet.dport)
        else:
            packet.saddr = address or packet.saddr
            effect = Effect(nat.kind, rule, packet.source)
        if before != (packet.saddr, packet.daddr, packet.dport):  # to the same address is no translation
            packet.status |= STATUS[nat.kind]
            self._effects.append(effect)
        return ACCEPT


def _place(base: Base) -> int:
    """Where a base chain runs among the others of its hook."""
    if base.kind != "nat":
        return base.priority
    return NAT_DESTINATION if base.hook in _DESTINATION_HOOKS else NAT_SOURCE
