# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Evidence: what packets sent along a way bring about, and where they are seen. Runs on the node.

The node of the way's source sends; every node that is asked watches its own interfaces meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ..netlink.channel import Channel
from ..netlink.conntrack import answered_to
from ..netlink.wire import NETLINK_NETFILTER, NetlinkError
from . import arp
from .end import End
from .probe import Probe, attempt_all
from .sight import Sight

#: Sizes of IP packets in bytes whose fate tells an underlay's MTU.
SIZES = (576, 1280, 1350, 1400, 1420, 1430, 1440, 1450, 1460, 1470, 1480, 1490, 1500)
#: Seconds that a watching node goes on after the other has begun to send.
WATCH = 1.5


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
    """The evidence of one node, whose ``state`` it is: ``node``, ``probes``, ``seen``, ``arp``, ``hidden``.

    ``seen_as`` is the source's address on its packets; the source's node sends after ``delay`` seconds; ``asked`` is
    the Service whose address is used, if it is one.
    Raises OSError when packets can't be captured or sent.
    """
    ends = (source.address, target.address)
    here = [pod for pod in state["pods"] if set(pod["addresses"]) & set(ends) and not pod["error"]]
    pods = [(pod["pod"], pod["netns"]) for pod in here]
    sends = source.node == state["node"]
    with Sight(seen_as, target.address, mark.encode(), pods) as sight:
        if sends:
            time.sleep(delay)
        questions = _questions(state, source, target)
        results = (
            asyncio.run(_send(_probes(state, source, target, mark, port, asked), sight))
            if sends
            else _watch(sight, delay)
        )
        owners = {}
        for name, question in questions.items():
            owners[name] = question.answers(0.1)
            question.close()
        sight.read()
        return {
            "node": state["node"],
            "mark": mark,
            "sent": sends,
            "probes": results,
            "seen": sight.records(),
            "arp": owners,
            "hidden": _hidden(seen_as, target.address) if sends else "",
        }


async def _send(probes: list[Probe], sight: Sight) -> list[dict[str, Any]]:
    results = await attempt_all(probes, 64)
    await asyncio.sleep(0.02)
    sight.read()
    return results


def _watch(sight: Sight, delay: float) -> list[dict[str, Any]]:
    """Watch until the answers to all probes have passed, or no more can be expected."""
    end = time.monotonic() + delay + WATCH
    while time.monotonic() < end:
        time.sleep(0.05)
        sight.read()
        if sight.seen("back") and (sight.seen("back", "tcp") or sight.seen("there", "tcp")):
            time.sleep(0.1)
            break
    return []


def _probes(state: dict[str, Any], source: End, target: End, mark: str, port: int, asked: End | None) -> list[Probe]:
    """What is sent: along the way itself, and along parts of it that tell where it breaks."""
    pod = next((pod for pod in state["pods"] if source.address in pod["addresses"]), None)
    netns = pod["netns"] if pod and source.kind == "pod" else None
    name = str(source)
    common: dict[str, Any] = {"timeout": 0.4, "attempts": 2}
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


def _questions(state: dict[str, Any], source: End, target: End) -> dict[str, arp.Question]:
    """Who answers for the addresses on this node's bridge that the way needs: its ends, and their gateway."""
    found = {}
    for pod in state["pods"]:
        for address in {source.address, target.address} & set(pod["addresses"]):
            bridge = pod["bridge"]
            gateway = next((each for each in pod["gateways"] if ":" not in each), "")
            up = state["links"].get(bridge, {}).get("up")
            if ":" in address or not gateway or not up:
                continue
            try:
                found[address] = arp.Question(bridge, state["links"][bridge]["mac"], gateway, address)
                if not pod["error"] and pod["link"] and pod["link"]["up"]:
                    found[f"{gateway} asked by {pod['pod']}"] = arp.Question(
                        pod["interface"], pod["link"]["mac"], address, gateway, pod["netns"]
                    )
            except OSError:
                continue
    return found


def _hidden(source: str, target: str) -> str:
    """The address that hides the source's from the target, "" if none does: the kernel's memory of the connections
    that the probes made tells to whom the answers go."""
    try:
        with Channel(NETLINK_NETFILTER) as channel:
            others = answered_to(channel, source, target) - {source}
    except (NetlinkError, OSError):
        return ""
    return sorted(others)[0] if others else ""
