# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to trace: it travels from the controller to the nodes."""

from __future__ import annotations

import os
from dataclasses import field

from .endpoint import Endpoint
from .record import record

#: What is probed where nothing says which port: the discard service (RFC 863), where a refusal proves as much as an
#: answer.
DISCARD = 9


@record
class TraceRequest:
    """Between which ends; with ``mark``, what its echoes are known by, packets are sent to the TCP and UDP ``port``, or
    watched for. ``nodes`` are those to inspect."""

    source: Endpoint
    target: Endpoint
    mark: str = ""
    port: int = DISCARD
    nodes: list[str] = field(default_factory=list)


def new_mark() -> str:
    """What one trace's echoes are known by."""
    return f"podnet {os.urandom(4).hex()}"
