# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A traced packet: its paths, what the probes on them showed, and the one fault that explains it."""

from __future__ import annotations

from dataclasses import field

from ...findings.codes import Code
from ...findings.finding import Finding
from .endpoint import Endpoint
from .evidence import ProbeResult
from .path import Path, PathHop
from .record import record

#: The broken hop that explains the loss.
Fault = PathHop


@record
class Trace:
    """``notes`` are findings besides the fault's; ``swapped``: it was traced from its target's node."""

    source: Endpoint
    target: Endpoint
    ok: bool
    fault: Fault | None
    paths: list[Path]
    probes: list[ProbeResult]
    notes: list[Finding] = field(default_factory=list)
    swapped: bool = False

    @property
    def finding(self) -> Finding | None:
        """Why packets are lost; None where they are not."""
        if self.ok:
            return None
        if self.fault:
            return self.fault.hop.finding
        more = {"source": str(self.source), "address": self.target.address}
        return Finding(Code.TRACE_UNEXPLAINED, self.source.node, str(self.target), more)
