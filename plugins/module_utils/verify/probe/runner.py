# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many probes at a time.

A socket belongs to the network namespace in which it was made, whatever thread uses it later. So one event loop serves
probes from the node and from any number of pods: only the making of a socket happens inside the pod's namespace.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from typing import Any

from .probe import SMALL, SO_TIMESTAMPNS, Probe, Unreached, attempt, echo, explain
from .vxlan_counter import Capture


def run(probes: list[Probe], limit: int = 64, capture: Capture | None = None) -> list[dict]:
    """Carry out all probes, at most ``limit`` at a time, and return their results in the same order.

    ``capture`` is read meanwhile.

    A result names ``source``, ``target``, ``scope``, ``kind``, ``address``, ``port``, ``ok``, ``reason`` (empty if
    ok), ``ms`` (of the attempt that succeeded, else None), ``attempts`` (made) and, for icmp, ``size``. It takes at
    most ceil(probes / limit) × attempts × timeout seconds, twice that where large packets fail and small ones are
    tried.
    """
    return asyncio.run(_run(probes, limit, capture))


async def _run(probes: list[Probe], limit: int, capture: Capture | None) -> list[dict]:
    if capture:
        asyncio.get_running_loop().add_reader(capture, capture.read)
    return await attempt_all(probes, limit)


async def attempt_all(probes: list[Probe], limit: int = 64) -> list[dict]:
    """What ``run`` does, for a program that has an event loop."""
    room = asyncio.Semaphore(limit)

    async def one(probe: Probe) -> dict:
        async with room:
            return await _result(probe)

    # The kernel begins to stamp packets a moment after the first socket has asked for it, and stops after the last.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as clock:
        clock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        await asyncio.sleep(0.1)
        return await asyncio.gather(*[one(probe) for probe in probes])


async def _result(probe: Probe) -> dict:
    result: dict[str, Any] = {
        "source": probe.source,
        "target": probe.target or probe.address,
        "scope": probe.scope,
        "kind": probe.kind,
        "address": probe.address,
        "port": probe.port,
        "ok": False,
        "reason": "",
        "ms": None,
        "attempts": 0,
    }
    if probe.kind == "icmp":
        result["size"] = probe.size
    for number in range(1, probe.attempts + 1):
        result["attempts"] = number
        started = time.monotonic()
        try:
            more = await asyncio.wait_for(attempt(probe, number), probe.timeout)
            result.update(ok=True, reason="", ms=round((time.monotonic() - started) * 1000, 3))
            result.update(more)
            return result
        except asyncio.TimeoutError:
            result["reason"] = f"no answer from {probe.place} in {probe.timeout:g} s"
        except Unreached as error:
            result["reason"] = str(error)
            if error.final:
                break
        except OSError as error:
            result["reason"] = explain(probe, error)
            if error.errno == errno.ENOENT:  # the namespace is gone: no second attempt will find it
                break
        if number < probe.attempts:  # a refusal comes at once; leave the cause a moment to pass
            await asyncio.sleep(max(0.0, min(probe.timeout, 0.2) - (time.monotonic() - started)))
    if probe.kind == "icmp" and probe.size != SMALL:
        await _blame_size(probe, result)
    return result


async def _blame_size(probe: Probe, result: dict) -> None:
    """Say so when it is the packet's size that fails: the usual sign of an MTU too large for the underlay."""
    try:
        await asyncio.wait_for(echo(probe, 1, SMALL), probe.timeout)
    except (asyncio.TimeoutError, OSError, Unreached):
        return
    result["reason"] += f"; packets of {SMALL} bytes get through, so an MTU on the way is smaller than the sender's"
