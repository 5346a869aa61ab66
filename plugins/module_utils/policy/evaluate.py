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


def judge(program: Program, flow: Flow) -> Decision:
    """What this node does to the flow; the other end's node has its own say."""
    for direction, address in ((EGRESS, flow.source), (INGRESS, flow.target)):
        if _holds(program, f"local{flow.family}", address) and not _holds(program, f"known{flow.family}", address):
            return Decision(False, direction)
    for direction, address in ((EGRESS, flow.source), (INGRESS, flow.target)):
        verdict, chain = _through(program, flow, f"{direction}_admin", address)
        if verdict in (OPEN, GOTO):
            verdict, chain = _through(program, flow, direction, address)
        if verdict == DROP:
            return Decision(False, direction, chain)
    return Decision(True)


def _through(program: Program, flow: Flow, verdicts: str, address: bytes) -> tuple[str, str]:
    """The verdict of the chains that a map leads an address to, and the chain that it is of."""
    chain = program.sets[f"{verdicts}{flow.family}"].members.get(address)
    return _in_chain(program, flow, chain) if isinstance(chain, str) else (OPEN, "")


def _in_chain(program: Program, flow: Flow, chain: str) -> tuple[str, str]:
    for line in program.chains[chain]:
        if not _meets(program, flow, line):
            continue
        if line.verdict != JUMP:
            return line.verdict, chain
        verdict, where = _in_chain(program, flow, line.chain)
        if verdict != OPEN:
            return verdict, where
    return OPEN, ""


def _meets(program: Program, flow: Flow, line: Line) -> bool:
    if line.protocol and line.protocol != flow.protocol:
        return False
    if line.last and not line.first <= flow.port <= line.last:
        return False
    sought = (
        (line.source, flow.source),
        (line.target, flow.target),
        (line.ports, U16BE.pack(flow.port)),
        (line.named, port_key(flow.target, flow.protocol, flow.port)),
        (line.own, flow.source + flow.target),
    )
    return all(not name or _holds(program, name, key) for name, key in sought)


def _holds(program: Program, name: str, key: bytes) -> bool:
    elements = program.sets[name]
    if not elements.kind.interval:
        return key in elements.members
    size = len(key)
    return any(each[:size] <= key <= each[size:] for each in elements.members)
