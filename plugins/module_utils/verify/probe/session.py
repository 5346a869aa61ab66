# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Evidence: what packets sent along a way bring about, and where they are seen. Runs on the node.

The node of the way's source sends; every node that is asked watches its own interfaces meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import Any

from ...netlink import link as links
from ...netlink import neighbour as neighbours
from ...netlink.channel import Channel
from ...netlink.netns import Netns
from ..model.endpoint import End
from . import arping, conntrack
from .probe import Probe
from .runner import attempt_all
from .sniffer import Sight

#: Sizes of IP packets in bytes whose fate tells an underlay's MTU.
SIZES = (576, 1280, 1350, 1400, 1420, 1430, 1440, 1450, 1460, 1470, 1480, 1490, 1500)
#: Seconds for a probe's attempt, how many there are, and seconds for the one that is made before an alarm.
TIMEOUT, ATTEMPTS = 0.4, 2
PATIENCE = 1.0
#: Seconds within which who has an address answers to its name.
HEARD = 0.5
#: Seconds that a watching node goes on after the other has begun to send, and within which the last packet passes it.
WATCH = 2.2
PASSAGE = 0.3


def gather(
    state: dict[str, Any],
    source: End,
    target: End,
    mark: str,
    port: int,
    seen_as: str,
    delay: float = 0,
    asked: End | None = None,
) -> dict[str, Any]:
    """The evidence of one node, whose ``state`` it is: ``node``, ``probes``, ``watched`` (when it began and ended, in
    seconds since the epoch; the sender: from when until when others must watch), ``seen``, ``complete`` (it saw all
    there is to see), ``arp``, ``unresolved``, ``hidden``, ``diverted``, ``own`` (its addresses).

    ``seen_as`` is the source's address on its packets; the source's node sends after ``delay`` seconds; ``asked`` is
    the Service whose address is used, if it is one.
    Raises OSError when packets can't be captured or sent.
    """
    ends = (source.address, target.address)
    here = [pod for pod in state["pods"] if set(pod["addresses"]) & set(ends) and not pod["error"]]
    pods = [(pod["pod"], pod["netns"]) for pod in here]
    sends = source.node == state["node"]
    with Sight(seen_as, target.address, mark.encode(), pods, port) as sight, conntrack.Watch() as connections:
        if sends:
            time.sleep(delay)
            began = time.time()
            results, ended = asyncio.run(_send(_probes(state, source, target, mark, port, asked), sight))
        else:
            began, results = time.time(), []
            _watch(sight, delay)
            ended = time.time()
        sight.read()
        changed = connections.changed(seen_as, target.address)
    unresolved = _unresolved("node", None)  # before an answer to our questions tells the kernel, too
    for pod in here:
        with contextlib.suppress(OSError):
            unresolved += _unresolved(pod["pod"], pod["netns"])
    questions = _questions(state, source, target)
    until = time.monotonic() + HEARD
    owners = {name: question.answers(until - time.monotonic()) for name, question in questions.items()}
    for question in questions.values():
        question.close()
    return {
        "node": state["node"],
        "mark": mark,
        "sent": sends,
        "probes": results,
        "watched": [began, ended],
        "seen": sight.records(),
        "complete": _complete(sight),
        "arp": owners,
        "unresolved": unresolved,
        **changed,
        "own": sorted({each["address"].partition("/")[0] for each in state["addresses"]}),
    }


async def _send(probes: list[Probe], sight: Sight) -> tuple[list[dict[str, Any]], float]:
    """The probes' results, and until when the last packet may pass others. What fails is tried once more with more
    patience: a busy node is no broken one."""
    results = await attempt_all(probes, 64)
    again = [
        number for number, probe in enumerate(probes) if not results[number]["ok"] and probe.scope in ("way", "service")
    ]
    patient = [replace(probes[number], timeout=PATIENCE, attempts=1) for number in again]
    last = time.time() + PASSAGE
    for number, result in zip(again, await attempt_all(patient, 64) if patient else []):
        results[number] = result
    await asyncio.sleep(0.02)
    sight.read()
    return results, last


def _watch(sight: Sight, delay: float) -> None:
    """Watch until every kind of probe has passed and its answer, or no more can be expected."""
    end = time.monotonic() + delay + WATCH
    while time.monotonic() < end:
        time.sleep(0.05)
        sight.read()
        if _complete(sight):
            time.sleep(0.1)
            break


def _complete(sight: Sight) -> bool:
    """Whether both sizes of echoes came back, and TCP passed."""
    return sight.seen("back", "icmp", False) and sight.seen("back", "icmp", True) and sight.seen("there", "tcp")


def _probes(state: dict[str, Any], source: End, target: End, mark: str, port: int, asked: End | None) -> list[Probe]:
    """What is sent: along the way itself, and along parts of it that tell where it breaks."""
    pod = next((pod for pod in state["pods"] if source.address in pod["addresses"]), None)
    netns = pod["netns"] if pod and source.kind == "pod" else None
    name = str(source)
    common: dict[str, Any] = {"timeout": TIMEOUT, "attempts": ATTEMPTS}
    along: dict[str, Any] = {**common, "netns": netns, "source": name, "scope": "way"}
    to: dict[str, Any] = {"target": str(target)}
    found = [
        Probe("icmp", target.address, send=mark, **along, **to),
        Probe("icmp", target.address, size=0, send=mark, **along, **to),
    ]
    if target.kind != "outside":
        found.append(Probe("tcp", target.address, port, closed=True, **along, **to))
        found.append(Probe("udp", target.address, port, send=mark, **along, **to))
    if asked:
        found.append(Probe("tcp", asked.address, port, target=str(asked), **{**along, "scope": "service"}))
    if target.kind == "pod" and source.kind == "pod":
        at_node: dict[str, Any] = {**common, "source": state["node"], "scope": "node"}
        found.append(Probe("icmp", target.address, target=str(target), **at_node))
    peer = next((peer for peer in state["overlay"]["peers"] if peer["name"] == target.node), None)
    if peer:
        under: dict[str, Any] = {**common, "source": state["node"], "target": peer["address"], "scope": "underlay"}
        found.append(Probe("icmp", peer["address"], **under))
        mtu = state["links"].get(state["overlay"]["underlay"], {}).get("mtu") or 1500
        under["attempts"] = 1
        found += [Probe("icmp", peer["address"], size=size, **under) for size in {*SIZES, mtu} if size <= mtu]
    return found


def _questions(state: dict[str, Any], source: End, target: End) -> dict[str, arping.Question]:
    """Who answers for the addresses that the way needs: its ends on this node's bridge, their gateway, and the peer on
    the underlay."""
    found = {}
    lease, under = state["overlay"]["lease"], state["overlay"]["underlay"]
    peers = (peer for peer in state["overlay"]["peers"] if peer["name"] in (source.node, target.node))
    peer = next((peer["address"] for peer in peers), "")
    if lease and under and peer and ":" not in peer and state["links"].get(under, {}).get("up"):
        with contextlib.suppress(OSError):
            found[peer] = arping.Question(under, state["links"][under]["mac"], peer)
    for pod in state["pods"]:
        for address in {source.address, target.address} & set(pod["addresses"]):
            bridge = pod["bridge"]
            gateway = next((each for each in pod["gateways"] if ":" not in each), "")
            up = state["links"].get(bridge, {}).get("up")
            if ":" in address or not gateway or not up:
                continue
            try:
                found[address] = arping.Question(bridge, state["links"][bridge]["mac"], address)
                if not pod["error"] and pod["link"] and pod["link"]["up"]:
                    found[f"{gateway} asked by {pod['pod']}"] = arping.Question(
                        pod["interface"], pod["link"]["mac"], gateway, pod["netns"]
                    )
            except OSError:
                continue
    return found


def _unresolved(place: str, netns: str | None) -> list[dict[str, str]]:
    """Whose MAC address the kernel has not learned there: ``place`` ("node" or a pod's name), ``address``, ``dev``."""
    with contextlib.ExitStack() as stack:
        if netns:
            namespace = Netns(netns)
            stack.callback(namespace.close)
            stack.enter_context(namespace)
        channel = stack.enter_context(Channel())
        names = {link.index: link.name for link in links.dump(channel)}
        entries = neighbours.dump(channel, names)
    return [
        {"place": place, "address": entry.dst, "dev": entry.dev}
        for entry in entries
        if entry.state in ("failed", "incomplete")
    ]
