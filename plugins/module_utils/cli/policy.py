# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""podnetctl policy: who may reach a pod, whom it may reach, and which policies say so."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator

from ..findings import render
from ..policy.explanation import (
    BlockText,
    Matches,
    PeerText,
    PodAnswer,
    PolicyFlow,
    PolicyOrigin,
    Ports,
    PortText,
    RuleText,
    Sides,
)
from ..records.codec import to_json
from ..verify.observe.policy import KINDS, PolicyReader
from ..verify.trace.hops import policy as hops

#: The number of the JSON's shape: it goes up with every change that an older reader would misread.
SCHEMA = 2
#: So many pods of a rule are printed.
SHOWN = 6


def explain(options: argparse.Namespace, _channel: object) -> int:
    """Prints the policies of a pod, or what they do to one connection of it. 1: they drop it."""
    reader = PolicyReader(options.config, options.run)
    if reader.options is None:
        return _refuse("this node enforces no policies: set overlay_policy: true and run playbooks/site.yml")
    name = options.pod if "/" in options.pod else f"default/{options.pod}"
    other = options.to or options.source
    found = reader.pod(name)
    if found is None:
        return _refuse("podnetd does not answer, and has left no policies on disk: systemctl status podnetd")
    if found.policies is None:
        return _refuse(f"{name} is not a pod of this node: kubectl get pods --all-namespaces --output wide shows where")
    if other:
        return _connection(options, reader, found, (name, other) if options.to else (other, name))
    if options.json:
        print(json.dumps({"schema": SCHEMA, **to_json(found)}, indent=1))
    else:
        print("\n".join(_pod(found, found.policies)))
    return 0


def _connection(options: argparse.Namespace, reader: PolicyReader, found: PodAnswer, ends: tuple[str, str]) -> int:
    number, _slash, protocol = (options.port or "").partition("/")
    kind = (protocol or "tcp").lower() if number else "icmp"
    if kind not in (*KINDS, "sctp") or (number and not number.isdecimal()):
        return _refuse(f"port {options.port!r} is not NUMBER/PROTOCOL, such as 80/tcp")
    flows = reader.flow(*ends, kind, int(number or 0))
    if not flows:
        return _refuse(f"no address of {ends[0]} or {ends[1]} is known here: give an address instead of a pod")
    if options.json:
        told = {"origin": found.origin, "from": ends[0], "to": ends[1], "flows": flows}
        print(json.dumps({"schema": SCHEMA, **to_json(told)}, indent=1))
    else:
        print("\n".join([_origin(found.origin), *(line for flow in flows for line in _flow(flow, ends))]))
    return int(any(not judged.accepted for flow in flows for judged in flow.judgements))


def _flow(flow: PolicyFlow, ends: tuple[str, str]) -> Iterator[str]:
    yield f"{ends[0]} ({flow.source}) to {ends[1]} ({flow.target}), {hops.traffic(flow)}:"
    decided = {judged.direction for judged in flow.judgements}
    for judged in flow.judgements:
        yield f"  {judged.direction}: {hops.shown(judged)}"
        if not judged.accepted:
            out = judged.direction == hops.EGRESS
            pod = judged.pod or (flow.source if out else flow.target)
            denied = hops.denial("", judged, pod, ends[1] if out else ends[0], [hops.traffic(flow)])
            yield f"    {render.text(denied)}"
            yield f"    fix: {render.fix(denied)}"
    for direction, end in ((hops.EGRESS, ends[0]), (hops.INGRESS, ends[1])):
        if direction not in decided:
            yield f"  {direction}: not this node's to decide: {end} is not here"


def _pod(found: PodAnswer, policies: Sides) -> Iterator[str]:
    yield f"{found.pod} ({', '.join(found.addresses)})"
    yield _origin(found.origin)
    for direction, side in ((hops.INGRESS, policies.ingress), (hops.EGRESS, policies.egress)):
        yield f"{direction}: {'isolated' if side.isolated else 'not isolated'}"
        for policy in side.policies:
            yield f"  {policy.tier} {policy.policy}" + ("" if policy.rules else ": no rules")
            yield from (f"    {rule.number}. {_rule(rule, direction)}" for rule in policy.rules)
        yield f"  otherwise: {side.otherwise}"


def _rule(rule: RuleText, direction: str) -> str:
    preposition = "from" if direction == hops.INGRESS else "to"
    peers = [_peer(each) for each in rule.pods or ()] + [_block(each) for each in rule.blocks or ()]
    if rule.pods is None:
        peers = ["anywhere"]
    ports = [_port(each) for each in rule.ports]
    words = f"{rule.action} {preposition} {' or '.join(peers) or 'nothing'}"
    words += f" on {', '.join(ports)}" if ports else ""
    return words + (f" (now: {_matches(rule.matches)})" if rule.matches else "")


def _peer(peer: PeerText) -> str:
    pods = f"pods {peer.pods}" if peer.pods else "all pods"
    if peer.namespace:
        return f"{pods} in namespace {peer.namespace}"
    return f"{pods} in namespaces {peer.namespaces}" if peer.namespaces else f"{pods} in all namespaces"


def _block(block: BlockText) -> str:
    return block.cidr + (f" except {', '.join(block.excepts)}" if block.excepts else "")


def _port(port: PortText) -> str:
    if port.name:
        return f"{port.protocol} port named {port.name}".lstrip()
    return ", ".join(hops.ports([Ports(hops.PROTOCOLS[port.protocol], port.first, port.last)]))


def _matches(matches: Matches) -> str:
    more = len(matches.pods) - SHOWN
    names = ", ".join(matches.pods[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f"{matches.addresses} addresses: {names}" if names else f"{matches.addresses} addresses"


def _origin(origin: PolicyOrigin) -> str:
    force = "in force" if origin.in_force else "not in force"
    if origin.source == hops.DISK:
        age = max(0, int(time.time() - origin.time))
        return f"policies as podnetd left them on disk {age} s ago, {force}; podnetd does not answer"
    return f"policies of podnetd, {force}" + ("" if origin.following else "; the API server is not followed")


def _refuse(reason: str) -> int:
    print(f"podnetctl: policy: {reason}", file=sys.stderr)
    return 2
