# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions about the policies of this node, and their answers, JSON-ready (docs/policy.md has the keys).

    pod/NAMESPACE/NAME               who may reach the pod, whom it may reach, and why
    flow/SOURCE,TARGET,PROTOCOL,PORT what this node does to a connection; an end is a pod or an address
    state                            what differs in the kernel's table, and which policies have dropped packets

podnetd answers by what it has compiled from the API. Where none runs, ``ask`` goes by what the last one left on disk
and by the records of ADD: ``origin`` says which, and of when.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from ...findings.finding import Finding
from ...netlink import nftables
from ...netlink.channel import Channel
from ...netlink.wire import NETLINK_NETFILTER, pack_ip, unpack_ip
from ...policy import explain, files
from ...policy.evaluate import Flow
from ...policy.model import PROTOCOLS, Pod
from ...policy.program import Local, Program
from ...policy.table import Table
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


class Knowledge(NamedTuple):
    """The policies of a node as they should be. ``names``: pods by address; ``addresses``: of a pod, "namespace/name";
    ``findings``: why they may not be in force."""

    program: Program
    table: Table
    origin: dict[str, Any]
    names: explain.Names
    addresses: Callable[[str], tuple[bytes, ...]]
    findings: list[Finding]


def ask(options: Options, run: str, question: str) -> dict[str, Any] | None:
    """podnetd's answer, or that by what is on disk; None where nothing is known. ValueError for no question. Raises
    OSError where the table cannot be read."""
    answered = client.ask(run, PREFIX + question)
    if answered is not None:
        return answered
    with Channel(NETLINK_NETFILTER) as channel:
        known = _of_disk(options, run, channel)
        return answer(known, question) if known else None


def answer(known: Knowledge, question: str) -> dict[str, Any]:
    """The answer. Raises ValueError where that is no question."""
    kind, _slash, rest = question.partition("/")
    if kind == "pod":
        found = explain.pod(known.program, rest, known.names)
        addresses = list(map(unpack_ip, known.addresses(rest)))
        return {"origin": known.origin, "pod": rest, "addresses": addresses, "policies": found}
    if kind == "flow":
        source, target, protocol, port = rest.split(",")
        return {"origin": known.origin, "flows": _flows(known, source, target, protocol, int(port))}
    if kind == "state":
        return {"origin": known.origin, **_state(known)}
    raise ValueError(f"{question!r} is not a question about policies")


def of_agent(enforcer: Enforcer) -> Knowledge | None:
    """What podnetd knows; before it has heard of all of the API's objects, what the last one left."""
    findings = [*report.unready(enforcer), *report.warnings(enforcer)]
    cluster, compiler = enforcer.cluster, enforcer.compiler
    if cluster is None or compiler is None or not cluster.synced:
        known = _of_disk(enforcer.options, os.path.dirname(enforcer.places.socket), enforcer.channel)
        return known._replace(origin={**known.origin, "source": PODNETD}, findings=findings) if known else None
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
    origin = _origin(PODNETD, time.time(), enforcer.in_force, live)
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
        _origin(DISK, written, nftables.exists(channel, TABLE), False),
        lambda wanted: {each: holders[each] for each in wanted if each in holders},
        lambda key: program.locals[key].addresses if key in program.locals else (),
        [],
    )


def _origin(source: str, when: float, in_force: bool, following: bool) -> dict[str, Any]:
    """``following``: what changes in the API is known at once."""
    return {"source": source, "time": when, "in_force": in_force, "following": following}


def _flows(known: Knowledge, source: str, target: str, protocol: str, port: int) -> list[dict[str, Any]]:
    """Of each IP version that both ends have."""
    found = []
    for one in _addresses(known, source):
        for other in _addresses(known, target):
            if len(one) != len(other):
                continue
            number = ICMP[4 if len(one) == 4 else 6] if protocol == "icmp" else PROTOCOLS[protocol.upper()]
            flow = Flow(one, other, number, 0 if protocol == "icmp" else port)
            judged = [_judgement(known, flow, each) for each in explain.judge(known.program, flow)]
            found.append({"source": unpack_ip(one), "target": unpack_ip(other), "judgements": judged})
    return found


def _judgement(known: Knowledge, flow: Flow, judged: explain.Judgement) -> dict[str, Any]:
    address = flow.source if judged.direction == explain.EGRESS else flow.target
    pod = known.names([address]).get(address, "")
    return {
        **judged._asdict(),
        "pod": pod,
        "reason": judged.reason.value,
        "policies": list(judged.policies),
        "allowed": [each._asdict() for each in judged.allowed],
    }


def _addresses(known: Knowledge, end: str) -> tuple[bytes, ...]:
    return known.addresses(end) if "/" in end else (pack_ip(end),)


def _state(known: Knowledge) -> dict[str, Any]:
    changes = known.table.plan(known.program).changes
    drift = [{"action": each.action, "subject": each.subject, "detail": each.detail} for each in changes]
    drops: dict[str, int] = {}
    for (chain, _comment), packets in known.table.dropped().items() if known.origin["in_force"] else ():
        drops[chain] = drops.get(chain, 0) + packets
    return {
        "drift": drift,
        "drops": [_drop(known.program, chain, packets) for chain, packets in sorted(drops.items()) if packets],
        "findings": [each.as_json() for each in known.findings],
    }


def _drop(program: Program, chain: str, packets: int) -> dict[str, Any]:
    """A chain's drops: of a ClusterNetworkPolicy's rules, of the policies that isolate pods together, or of none."""
    source = program.sources.get(chain)
    policies = [source.policy] if source else list(explain.isolating(program, chain))
    return {"chain": chain, "policies": policies, "packets": packets}
