# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Evidence: probes along a path, and where their packets are captured. Runs on the node.

The node of the path's source sends; every node that is asked watches its own interfaces meanwhile.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import Any

from ...netlink import link as links
from ...netlink import neighbour as neighbours
from ...netlink.channel import Channel
from ...netlink.netns import Netns
from ..model.endpoint import Endpoint
from ..model.evidence import QUESTION, ArpAnswer, Evidence, ProbeResult, UnresolvedNeighbor
from ..model.hop import NODE
from ..model.path import Direction
from ..model.state import NodeState
from . import conntrack
from .arping import ArpProbe
from .probe import Probe
from .rule_trace import RuleTrace
from .runner import run
from .sniffer import Sniffer

DNS_PORT = 53
#: Sizes of IP packets in bytes that find out an underlay's MTU.
SIZES = (576, 1280, 1350, 1400, 1420, 1430, 1440, 1450, 1460, 1470, 1480, 1490, 1500)
#: Seconds for a probe's attempt, how many there are, and seconds for the one that is made before an alarm.
TIMEOUT, ATTEMPTS = 0.4, 2
PATIENCE = 1.0
#: Seconds within which the owner of an address answers an ARP request.
HEARD = 0.5
#: Seconds that a watching node goes on after the other has begun to send, and within which the last packet passes it.
WATCH = 2.2
PASSAGE = 0.3


def gather(
    state: NodeState,
    source: Endpoint,
    target: Endpoint,
    mark: str,
    port: int,
    seen_as: str,
    delay: float = 0,
    asked: Endpoint | None = None,
) -> Evidence:
    """The evidence of one node, whose ``state`` it is.

    ``seen_as`` is the source's address on its packets; the source's node sends after ``delay`` seconds; ``asked`` is
    the Service whose address is used, if it is one.
    Raises OSError when packets can't be captured or sent.
    """
    ends = {source.address, target.address}
    here = [pod for pod in state.pods if ends & set(pod.addresses) and not pod.error]
    pods = [(pod.name, pod.netns) for pod in here]
    sends = source.node == state.node
    results: list[ProbeResult] = []
    sniffer = Sniffer(seen_as, target.address, mark.encode(), pods, port)
    with sniffer, conntrack.Watch() as connections, RuleTrace(seen_as, target.address) as rules:
        if sends:
            time.sleep(delay)
            began = time.time()
            results, ended = _send(_probes(state, source, target, mark, port, asked), sniffer)
        else:
            began = time.time()
            _watch(sniffer, delay)
            ended = time.time()
        sniffer.read()
        snat_to, dnat_to = connections.translation(seen_as, target.address)
        rule_drops = rules.drops()
    unresolved = _unresolved(NODE, None)  # before answers to our ARP requests resolve them
    for pod in here:
        with contextlib.suppress(OSError):
            unresolved += _unresolved(pod.name, pod.netns)
    return Evidence(
        state.node,
        mark,
        sends,
        began,
        ended,
        _complete(sniffer),
        probes=results,
        captures=sniffer.captures(),
        arp=_owners(state, source, target),
        unresolved=unresolved,
        snat_to=snat_to,
        dnat_to=dnat_to,
        own_addresses=sorted({each.ip for each in state.addresses}),
        rule_drops=rule_drops,
    )


def _send(probes: list[Probe], sniffer: Sniffer) -> tuple[list[ProbeResult], float]:
    """The probes' results, and until when the last packet may pass others. What fails is tried once more with more
    patience: a busy node is not a broken one."""
    results = run(probes)
    again = [n for n, probe in enumerate(probes) if not results[n].ok and probe.scope in ("path", "service")]
    patient = [replace(probes[number], timeout=PATIENCE, attempts=1) for number in again]
    last = time.time() + PASSAGE
    for number, result in zip(again, run(patient) if patient else []):
        results[number] = result
    time.sleep(0.02)
    sniffer.read()
    return results, last


def _watch(sniffer: Sniffer, delay: float) -> None:
    """Watch until every kind of probe has passed and its answer, or no more can be expected."""
    end = time.monotonic() + delay + WATCH
    while time.monotonic() < end:
        time.sleep(0.05)
        sniffer.read()
        if _complete(sniffer):
            time.sleep(0.1)
            break


def _complete(sniffer: Sniffer) -> bool:
    """Whether both sizes of echoes came back, and TCP passed."""
    back = (sniffer.seen(Direction.RETURN, "icmp", large) for large in (False, True))
    return all(back) and sniffer.seen(Direction.FORWARD, "tcp")


def _probes(
    state: NodeState, source: Endpoint, target: Endpoint, mark: str, port: int, asked: Endpoint | None
) -> list[Probe]:
    """What is sent: along the path itself, and along parts of it that show where it breaks."""
    pod = next((pod for pod in state.pods if source.address in pod.addresses), None)
    netns = pod.netns if pod and source.kind == "pod" else None
    common: dict[str, Any] = {"timeout": TIMEOUT, "attempts": ATTEMPTS, "node": state.node}
    along: dict[str, Any] = {**common, "netns": netns, "source": str(source), "scope": "path"}
    to: dict[str, Any] = {"target": str(target)}
    found = [
        Probe("icmp", target.address, send=mark, **along, **to),
        Probe("icmp", target.address, size=0, send=mark, **along, **to),
    ]
    if target.kind != "outside":
        found.append(Probe("tcp", target.address, port, closed=True, **along, **to))
        found.append(Probe("udp", target.address, port, send=mark, **along, **to))
    if asked:
        of_service: dict[str, Any] = {**along, "scope": "service", "target": str(asked)}
        if "TCP" in (asked.protocols or ("TCP",)):
            found.append(Probe("tcp", asked.address, port, **of_service))
        if port == DNS_PORT and "UDP" in asked.protocols:
            found.append(Probe("udp", asked.address, port, send=QUESTION, **of_service))
    if target.kind == "pod" and source.kind == "pod":
        at_node: dict[str, Any] = {**common, "source": state.node, "scope": "node"}
        found.append(Probe("icmp", target.address, target=str(target), **at_node))
    peer = next((peer.lease for peer in state.overlay.peers if peer.lease.name == target.node), None)
    if peer:
        under: dict[str, Any] = {**common, "source": state.node, "target": peer.address, "scope": "underlay"}
        found.append(Probe("icmp", peer.address, **under))
        link = state.links.get(state.overlay.underlay or "")
        mtu = (link.mtu if link else 0) or 1500
        under["attempts"] = 1
        found += [Probe("icmp", peer.address, size=size, **under) for size in {*SIZES, mtu} if size <= mtu]
    return found


def _owners(state: NodeState, source: Endpoint, target: Endpoint) -> list[ArpAnswer]:
    """Which hosts answer for the addresses that the path needs."""
    probes = _arp_probes(state, source, target)
    until = time.monotonic() + HEARD
    return [probe.answer(until - time.monotonic()) for probe in probes]


def _arp_probes(state: NodeState, source: Endpoint, target: Endpoint) -> list[ArpProbe]:
    """For the path's ends on this node's bridge, their gateway, and the peer on the underlay."""
    found = []
    under = _up(state, state.overlay.underlay)
    ends = (peer.lease for peer in state.overlay.peers if peer.lease.name in (source.node, target.node))
    peer = next((lease.address for lease in ends), "")
    if state.overlay.lease and under and peer and ":" not in peer:
        with contextlib.suppress(OSError):
            found.append(ArpProbe(*under, peer))
    for pod in state.pods:
        gateway = next((each for each in pod.gateways if ":" not in each), "")
        bridge = _up(state, pod.bridge)
        for address in {source.address, target.address} & set(pod.addresses):
            if ":" in address or not gateway or not bridge:
                continue
            with contextlib.suppress(OSError):
                found.append(ArpProbe(*bridge, address))
                if not pod.error and pod.link and pod.link.up and pod.link.mac:
                    found.append(ArpProbe(pod.interface, pod.link.mac, gateway, pod.name, pod.netns))
    return found


def _up(state: NodeState, name: str | None) -> tuple[str, str] | None:
    """Name and MAC address of a link that is up, None for another."""
    link = state.links.get(name or "")
    return (link.name, link.mac) if link and link.up and link.mac else None


def _unresolved(owner: str, netns: str | None) -> list[UnresolvedNeighbor]:
    """Whose MAC address the kernel has not learned in that network namespace."""
    with contextlib.ExitStack() as stack:
        if netns:
            namespace = Netns(netns)
            stack.callback(namespace.close)
            stack.enter_context(namespace)
        channel = stack.enter_context(Channel())
        names = {link.index: link.name for link in links.dump(channel)}
        entries = neighbours.dump(channel, names)
    return [
        UnresolvedNeighbor(owner, entry.dst, entry.dev) for entry in entries if entry.state in ("failed", "incomplete")
    ]
