# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a Program lets a connection pass or not, and whom a pod may talk to: data for ``podnetctl policy`` and trace."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from .evaluate import Flow, between, holds, is_local, through
from .explanation import Matches, PolicyJudgement, PolicyText, Ports, Reason, Side, Sides
from .model import ANY_PROTOCOL, LAST_PORT
from .program import ACCEPT, DROP, EGRESS, INGRESS, JUMP, Line, Local, Program, in_family

#: So many pods of a rule are named.
NAMED = 20
NETWORK_POLICY = "NetworkPolicy"


#: From packed addresses to the pods ("namespace/name") that have them, as far as they are known.
Names = Callable[[Collection[bytes]], "dict[bytes, str]"]


def judge(program: Program, flow: Flow) -> list[PolicyJudgement]:
    """Of each direction that this node decides: of the source if it is here, and of the target."""
    return [
        judge_direction(program, flow, direction)
        for direction, address in ((EGRESS, flow.source), (INGRESS, flow.target))
        if is_local(program, address)
    ]


def judge_direction(program: Program, flow: Flow, direction: str) -> PolicyJudgement:
    """What one direction does, whose end is one of this node's."""
    address = flow.source if direction == EGRESS else flow.target
    if not holds(program, f"known{flow.family}", address):
        return PolicyJudgement(direction, False, Reason.ADDRESS_UNKNOWN)
    passage = through(program, flow, direction)
    source = program.sources.get(passage.chain)
    if passage.verdict not in (ACCEPT, DROP):
        return PolicyJudgement(direction, True, Reason.NOT_ISOLATED)
    accepted = passage.verdict == ACCEPT
    if passage.rule:
        policies = (source.policy if source else passage.chain,)
        allowed = () if accepted else _allowed(program, flow, direction, address)
        return PolicyJudgement(direction, accepted, Reason.RULE, policies, passage.rule, allowed)
    if accepted:
        return PolicyJudgement(direction, True, Reason.TO_ITSELF)
    isolated_by = isolating(program, passage.chain)
    return PolicyJudgement(
        direction, False, Reason.NO_RULE, isolated_by, 0, _allowed(program, flow, direction, address)
    )


def isolating(program: Program, chain: str) -> tuple[str, ...]:
    """The policies that a combination leads to."""
    lines = program.chains.get(chain, ())
    sources = (program.sources.get(line.chain) for line in lines if line.verdict == JUMP)
    return tuple(sorted(source.policy for source in sources if source))


def _allowed(program: Program, flow: Flow, direction: str, address: bytes) -> tuple[Ports, ...]:
    """What passes between these two addresses, by the rules that are about them."""
    found: set[Ports] = set()
    for verdicts in (f"{direction}_admin{flow.family}", f"{direction}{flow.family}"):
        chain = program.sets[verdicts].members.get(address)
        for line in _lines(program, chain) if isinstance(chain, str) else ():
            if line.verdict == ACCEPT and between(program, flow, line):
                found.update(_ports(program, flow, line))
    tried = {ports: flow._replace(protocol=ports.protocol, port=ports.first) for ports in found}
    return tuple(sorted(ports for ports, one in tried.items() if through(program, one, direction).verdict == ACCEPT))


def _lines(program: Program, chain: str) -> Iterator[Line]:
    for line in program.chains.get(chain, ()):
        yield from _lines(program, line.chain) if line.verdict == JUMP else (line,)


def _ports(program: Program, flow: Flow, line: Line) -> Iterator[Ports]:
    if line.named:
        at = len(flow.target)
        for key in program.sets[line.named].members:
            if key[:at] == flow.target:
                number = int.from_bytes(key[at + 4 : at + 6], "big")
                yield Ports(key[at], number, number)
    elif line.ports:
        for key in program.sets[line.ports].members:
            yield Ports(line.protocol, int.from_bytes(key[:2], "big"), int.from_bytes(key[2:], "big"))
    elif line.last:
        yield Ports(line.protocol, line.first, line.last)
    else:
        yield Ports(line.protocol or ANY_PROTOCOL, 0, LAST_PORT)


def pod(program: Program, key: str, names: Names) -> Sides | None:
    """Who may reach a pod of this node and whom it may reach; None where no such pod is known."""
    local = program.locals.get(key)
    if local is None:
        return None
    return Sides(
        _side(program, local, (local.ingress_admin, local.ingress), names),
        _side(program, local, (local.egress_admin, local.egress), names),
    )


def _side(program: Program, local: Local, combinations: tuple[str, ...], names: Names) -> Side:
    family = 4 if not local.addresses or len(local.addresses[0]) == 4 else 6
    policies = []
    isolated = False
    for combination in filter(None, combinations):
        for line in program.chains.get(in_family(combination, family), ()):
            source = program.sources.get(line.chain)
            if line.verdict == JUMP and source:
                rules = tuple(
                    rule._replace(matches=_matches(program, line.chain, rule.number, names)) for rule in source.rules
                )
                policies.append(PolicyText(source.policy, source.tier or NETWORK_POLICY, rules))
            isolated = isolated or line.verdict == DROP
    return Side(isolated, tuple(policies), DROP if isolated else ACCEPT)


def _matches(program: Program, chain: str, rule: int, names: Names) -> Matches | None:
    """The pods that a rule's selectors find now; None where it has none."""
    sets = {line.source or line.target for line in program.chains.get(chain, ()) if line.rule == rule}
    pods = [program.sets[name] for name in sets if name and not program.sets[name].kind.interval]
    if not pods:
        return None
    addresses = {address for each in pods for address in each.members}
    return Matches(len(addresses), tuple(sorted(names(addresses).values())[:NAMED]))
