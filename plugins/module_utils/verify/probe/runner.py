# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many probes at a time.

A socket belongs to the network namespace in which it was made, whatever thread uses it later. So one loop serves probes
from the node and from any number of pods: only the making of a socket happens inside the pod's namespace.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Sequence

from ...findings.codes import Code
from ..model.evidence import SMALL, ProbeResult
from . import loop
from .loop import Expired, Task, Wait
from .probe import SO_TIMESTAMPNS, Probe, Unreached, attempt, echo, explain, failure, path_mtu
from .vxlan_counter import VxlanCounter


def run(probes: Sequence[Probe], limit: int = 64, counter: VxlanCounter | None = None) -> list[ProbeResult]:
    """Carry out all probes, at most ``limit`` at a time, and return their results in the same order.

    ``counter`` is read meanwhile. It takes at most ceil(probes / limit) × attempts × timeout seconds, twice that where
    large packets fail and small ones are tried.
    """
    # The kernel begins to stamp packets a moment after the first socket has asked for it, and stops after the last.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as clock:
        clock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        time.sleep(0.1)
        return loop.run([_result(probe) for probe in probes], limit, counter)


def _result(probe: Probe) -> Task[ProbeResult]:
    target = probe.target or probe.address
    result = ProbeResult(probe.source, target, probe.scope, probe.kind, probe.address, probe.port, node=probe.node)
    if probe.kind == "icmp":
        result.size = probe.size
    for number in range(1, probe.attempts + 1):
        result.attempts = number
        started = time.monotonic()
        try:
            answer = yield from attempt(probe, number)
        except Expired:
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
            yield Wait(started + min(probe.timeout, 0.2))
    if result.failure and result.failure.code == Code.PROBE_NO_ANSWER and probe.kind == "icmp" and probe.size != SMALL:
        yield from _suspect_size(probe, result)
    return result


def _suspect_size(probe: Probe, result: ProbeResult) -> Task[None]:
    """Say so when it is the packet's size that fails: the usual sign of an MTU too large for the underlay."""
    try:
        yield from echo(probe, 1, time.monotonic() + probe.timeout, SMALL)
        size = probe.size or path_mtu(probe)
    except (Expired, OSError, Unreached):
        return
    result.failure = failure(probe, Code.PROBE_LARGE_LOST, size=size, small=SMALL)
