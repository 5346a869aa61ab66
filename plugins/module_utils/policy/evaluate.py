# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Program does to a connection's first packet: the kernel's way through ``table``'s chains, on the data."""

from __future__ import annotations

from typing import NamedTuple

from ..netlink.wire import U16BE
from .program import DROP, EGRESS, GOTO, INGRESS, JUMP, Line, Program, port_key

#: A packet's verdict is open: the chain has ended without one.
OPEN = ""


class Flow(NamedTuple):
    """``source`` and ``target``: packed addresses of one family, as the hook forward sees them: after DNAT and before
    SNAT. ``port``: of the destination; 0 for a protocol without ports."""

    source: bytes
    target: bytes
    protocol: int
    port: int = 0

    @property
    def family(self) -> int:
        return 4 if len(self.source) == 4 else 6


class Decision(NamedTuple):
    """Whether the flow is accepted; if not, in which direction and by which chain: "" where an address of this node is
    not known."""

    accepted: bool
    direction: str = ""
    chain: str = ""


def allows(program: Program, source: bytes, target: bytes, protocol: int, port: int | None = None) -> bool:
    """``judge`` as yes or no."""
    return judge(program, Flow(source, target, protocol, port or 0)).accepted


class Passage(NamedTuple):
    """What a direction's chains do to a flow: a verdict (OPEN where no chain has one), and the chain and the rule of a
    policy that it is of; ``rule`` is 0 for a line of no policy."""

    verdict: str
    chain: str = ""
    rule: int = 0


def judge(program: Program, flow: Flow) -> Decision:
    """What this node does to the flow; the other end's node has its own say."""
    for direction, address in ((EGRESS, flow.source), (INGRESS, flow.target)):
        if is_local(program, address) and not holds(program, f"known{flow.family}", address):
            return Decision(False, direction)
    for direction in (EGRESS, INGRESS):
        passage = through(program, flow, direction)
        if passage.verdict == DROP:
            return Decision(False, direction, passage.chain)
    return Decision(True)


def is_local(program: Program, address: bytes) -> bool:
    """Whether an address is one of this node's pod CIDRs."""
    return holds(program, f"local{4 if len(address) == 4 else 6}", address)


def through(program: Program, flow: Flow, direction: str) -> Passage:
    """What the chains of one direction do, those of the tier Admin first."""
    address = flow.source if direction == EGRESS else flow.target
    passage = _by_map(program, flow, f"{direction}_admin", address)
    return _by_map(program, flow, direction, address) if passage.verdict in (OPEN, GOTO) else passage


def _by_map(program: Program, flow: Flow, verdicts: str, address: bytes) -> Passage:
    chain = program.sets[f"{verdicts}{flow.family}"].members.get(address)
    return _in_chain(program, flow, chain) if isinstance(chain, str) else Passage(OPEN)


def _in_chain(program: Program, flow: Flow, chain: str) -> Passage:
    for line in program.chains[chain]:
        if not _meets(program, flow, line):
            continue
        if line.verdict != JUMP:
            return Passage(line.verdict, chain, line.rule)
        passage = _in_chain(program, flow, line.chain)
        if passage.verdict != OPEN:
            return passage
    return Passage(OPEN)


def _meets(program: Program, flow: Flow, line: Line) -> bool:
    if line.protocol and line.protocol != flow.protocol:
        return False
    if line.last and not line.first <= flow.port <= line.last:
        return False
    if line.ports and not holds(program, line.ports, U16BE.pack(flow.port)):
        return False
    if line.named and not holds(program, line.named, port_key(flow.target, flow.protocol, flow.port)):
        return False
    return between(program, flow, line)


def between(program: Program, flow: Flow, line: Line) -> bool:
    """Whether the flow's addresses are those that the line is about, whatever the port."""
    sought = ((line.source, flow.source), (line.target, flow.target), (line.own, flow.source + flow.target))
    return all(not name or holds(program, name, key) for name, key in sought)


def holds(program: Program, name: str, key: bytes) -> bool:
    """Whether a set has the element, or an interval that it is in."""
    elements = program.sets[name]
    if not elements.kind.interval:
        return key in elements.members
    size = len(key)
    return any(each[:size] <= key <= each[size:] for each in elements.members)
