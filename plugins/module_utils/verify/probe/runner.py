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

from ...findings.codes import Code
from ..model.evidence import SMALL, ProbeResult
from .probe import SO_TIMESTAMPNS, Probe, Unreached, attempt, echo, explain, failure, path_mtu
from .vxlan_counter import VxlanCounter


def run(probes: list[Probe], limit: int = 64, counter: VxlanCounter | None = None) -> list[ProbeResult]:
    """Carry out all probes, at most ``limit`` at a time, and return their results in the same order.

    ``counter`` is read meanwhile. It takes at most ceil(probes / limit) × attempts × timeout seconds, twice that where
    large packets fail and small ones are tried.
    """
    return asyncio.run(_run(probes, limit, counter))


async def _run(probes: list[Probe], limit: int, counter: VxlanCounter | None) -> list[ProbeResult]:
    if counter:
        asyncio.get_running_loop().add_reader(counter, counter.read)
    return await attempt_all(probes, limit)


async def attempt_all(probes: list[Probe], limit: int = 64) -> list[ProbeResult]:
    """What ``run`` does, for a program that has an event loop."""
    room = asyncio.Semaphore(limit)

    async def one(probe: Probe) -> ProbeResult:
        async with room:
            return await _result(probe)

    # The kernel begins to stamp packets a moment after the first socket has asked for it, and stops after the last.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as clock:
        clock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        await asyncio.sleep(0.1)
        return await asyncio.gather(*[one(probe) for probe in probes])


async def _result(probe: Probe) -> ProbeResult:
    target = probe.target or probe.address
    result = ProbeResult(probe.source, target, probe.scope, probe.kind, probe.address, probe.port, node=probe.node)
    if probe.kind == "icmp":
        result.size = probe.size
    for number in range(1, probe.attempts + 1):
        result.attempts = number
        started = time.monotonic()
        try:
            answer = await asyncio.wait_for(attempt(probe, number), probe.timeout)
        except asyncio.TimeoutError:
            result.failure = failure(probe, Code.PROBE_NO_ANSWER, timeout=probe.timeout)
        except Unreached as error:
            result.failure = error.failure
            if error.final:
                break
        except OSError as error:
            result.failure = explain(probe, error)
            if error.errno == errno.ENOENT:  # the namespace is gone: no second attempt will find it
                break
        else:
            result.ok, result.failure = True, None
            taken = round((time.monotonic() - started) * 1000, 3)
            result.ms = taken if answer.ms is None else answer.ms
            result.size = result.size if answer.size is None else answer.size
            return result
        if number < probe.attempts:  # a refusal comes at once; leave the cause a moment to pass
            await asyncio.sleep(max(0.0, min(probe.timeout, 0.2) - (time.monotonic() - started)))
    if result.failure and result.failure.code == Code.PROBE_NO_ANSWER and probe.kind == "icmp" and probe.size != SMALL:
        await _suspect_size(probe, result)
    return result


async def _suspect_size(probe: Probe, result: ProbeResult) -> None:
    """Say so when it is the packet's size that fails: the usual sign of an MTU too large for the underlay."""
    try:
        await asyncio.wait_for(echo(probe, 1, SMALL), probe.timeout)
        size = probe.size or path_mtu(probe)
    except (asyncio.TimeoutError, OSError, Unreached):
        return
    result.failure = failure(probe, Code.PROBE_LARGE_LOST, size=size, small=SMALL)
