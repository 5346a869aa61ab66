# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions about the policies of this node, and their answers (policy/explanation.py).

    pod/NAMESPACE/NAME               PodAnswer: who may reach the pod, whom it may reach, and why
    flow/SOURCE,TARGET,PROTOCOL,PORT FlowsAnswer: what this node does to a connection; an end is a pod or an address
    state                            PolicyState: what differs in the table, and which policies have dropped packets

podnetd answers by what it has compiled from the API. Where none runs, ``ask`` goes by what the last one left on disk
and by the records of ADD: ``origin`` says which, and of when.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple, Union

from ...findings.finding import Finding
from ...netlink import nftables
from ...netlink.channel import Channel
from ...netlink.wire import NETLINK_NETFILTER, pack_ip, unpack_ip
from ...policy import explain, files
from ...policy.evaluate import Flow
from ...policy.explanation import (
    FlowsAnswer,
    PodAnswer,
    PolicyDrift,
    PolicyDrops,
    PolicyFlow,
    PolicyJudgement,
    PolicyOrigin,
    PolicyState,
)
from ...policy.model import PROTOCOLS, Pod
from ...policy.program import Local, Program
from ...policy.table import Table
from ...records.codec import from_json
from .. import client
from . import report
from .attachments import Attachments
from .options import Options
from .places import TABLE, Places

if TYPE_CHECKING:
    from .enforcer import Enforcer

PREFIX = "/policy/"
PODNETD, DISK = "podnetd", "disk"
#: IANA numbers of ICMP by IP version.
ICMP = {4: 1, 6: 58}
Answer = Union[PodAnswer, FlowsAnswer, PolicyState]
#: By the question's first word.
ANSWERS: dict[str, type[Answer]] = {"pod": PodAnswer, "flow": FlowsAnswer, "state": PolicyState}


class Knowledge(NamedTuple):
    """The policies of a node as they should be. ``names``: pods by address; ``addresses``: of a pod, "namespace/name";
    ``findings``: why they may not be in force."""

    program: Program
    table: Table
    origin: PolicyOrigin
    names: explain.Names
    addresses: Callable[[str], tuple[bytes, ...]]
    findings: list[Finding]


def ask(options: Options, run: str, question: str) -> Answer | None:
    """podnetd's answer, or that by what is on disk; None where nothing is known. Raises ValueError for no question, or
    where podnetd is of another version; OSError where the table cannot be read."""
    answered = client.ask(run, PREFIX + question)
    if answered is not None:
        return from_json(ANSWERS[question.partition("/")[0]], answered)
    with Channel(NETLINK_NETFILTER) as channel:
        known = _of_disk(options, run, channel)
        return answer(known, question) if known else None


def answer(known: Knowledge, question: str) -> Answer:
    """The answer. Raises ValueError where that is no question."""
    kind, _slash, rest = question.partition("/")
    if kind == "pod":
        found = explain.pod(known.program, rest, known.names)
        return PodAnswer(known.origin, rest, tuple(map(unpack_ip, known.addresses(rest))), found)
    if kind == "flow":
        source, target, protocol, port = rest.split(",")
        return FlowsAnswer(known.origin, tuple(_flows(known, source, target, protocol, int(port))))
    if kind == "state":
        return _state(known)
    raise ValueError(f"{question!r} is not a question about policies")


def of_agent(enforcer: Enforcer) -> Knowledge | None:
    """What podnetd knows; before it has heard of all of the API's objects, what the last one left."""
    findings = [*report.unready(enforcer), *report.warnings(enforcer)]
    cluster, compiler = enforcer.cluster, enforcer.compiler
    if cluster is None or compiler is None or not cluster.synced:
        known = _of_disk(enforcer.options, os.path.dirname(enforcer.places.socket), enforcer.channel)
        return known._replace(origin=known.origin._replace(source=PODNETD), findings=findings) if known else None
    records = cluster.followers[Pod].records

    def names(wanted: Collection[bytes]) -> dict[bytes, str]:
        own = ((each, key) for key, local in compiler.program.locals.items() for each in local.addresses)
        found = {each: key for each, key in own if each in wanted}
        if len(found) < len(wanted):  # all of the cluster's pods, of which there may be many
            others = ((each, key) for key, pod in list(records.items()) for each in pod.addresses)
            found.update((each, key) for each, key in others if each in wanted and each not in found)
        return found

    def addresses(key: str) -> tuple[bytes, ...]:
        local, record = compiler.program.locals.get(key), records.get(key)
        return local.addresses if local else record.addresses if record else ()

    live = all(follower.live or not follower.served for follower in cluster.followers.values())
    origin = PolicyOrigin(PODNETD, time.time(), enforcer.in_force, live)
    return Knowledge(compiler.program, enforcer.table, origin, names, addresses, findings)


def _of_disk(options: Options, run: str, channel: Channel) -> Knowledge | None:
    """What the last podnetd left, with the pods that have come since: no policy selects them, for ADD refuses those in
    whose namespace there is one. Of pods that have gone the elements are still there, as DEL leaves them."""
    places = Places(options.directory, run)
    program = files.load(places.program)
    if program is None:
        return None
    attachments = Attachments(places.records)
    attachments.load()
    before = {each: key for key, local in program.locals.items() for each in local.addresses}
    for key in attachments.pods():
        new = [each for one in attachments.of(key) for each in one.addresses if before.get(each) != key]
        if new:
            local = program.locals.get(key, Local(()))
            program.add_local(key, local._replace(addresses=(*local.addresses, *new)))
    holders = {each: key for key, local in program.locals.items() for each in local.addresses}
    written = os.stat(places.program).st_mtime
    return Knowledge(
        program,
        Table(channel),
        PolicyOrigin(DISK, written, nftables.exists(channel, TABLE), False),
        lambda wanted: {each: holders[each] for each in wanted if each in holders},
        lambda key: program.locals[key].addresses if key in program.locals else (),
        [],
    )


def _flows(known: Knowledge, source: str, target: str, kind: str, port: int) -> Iterator[PolicyFlow]:
    """Of each IP version that both ends have."""
    for one in _addresses(known, source):
        for other in _addresses(known, target):
            if len(one) != len(other):
                continue
            number = ICMP[4 if len(one) == 4 else 6] if kind == "icmp" else PROTOCOLS[kind.upper()]
            flow = Flow(one, other, number, 0 if kind == "icmp" else port)
            judged = tuple(_of_pod(known, flow, each) for each in explain.judge(known.program, flow))
            yield PolicyFlow(unpack_ip(one), unpack_ip(other), kind, port, judged)


def _of_pod(known: Knowledge, flow: Flow, judged: PolicyJudgement) -> PolicyJudgement:
    address = flow.source if judged.direction == explain.EGRESS else flow.target
    return judged._replace(pod=known.names([address]).get(address, ""))


def _addresses(known: Knowledge, end: str) -> tuple[bytes, ...]:
    return known.addresses(end) if "/" in end else (pack_ip(end),)


def _state(known: Knowledge) -> PolicyState:
    changes = known.table.plan(known.program).changes
    drops: dict[str, int] = {}
    for (chain, _comment), packets in known.table.dropped().items() if known.origin.in_force else ():
        drops[chain] = drops.get(chain, 0) + packets
    return PolicyState(
        known.origin,
        drift=tuple(PolicyDrift(each.action, each.subject, each.detail) for each in changes),
        drops=tuple(_drop(known.program, chain, packets) for chain, packets in sorted(drops.items()) if packets),
        findings=tuple(known.findings),
    )


def _drop(program: Program, chain: str, packets: int) -> PolicyDrops:
    """A chain's drops: of a ClusterNetworkPolicy's rules, of the policies that isolate pods together, or of none."""
    source = program.sources.get(chain)
    return PolicyDrops(chain, (source.policy,) if source else explain.isolating(program, chain), packets)
