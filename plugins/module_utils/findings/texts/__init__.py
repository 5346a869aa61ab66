# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of all codes: for each its text, why it matters, and the fix. docs/faults.md is generated from it."""

from __future__ import annotations

from ..codes import Code
from . import (
    agent,
    bridge,
    change,
    cluster,
    control_plane,
    filter,
    fitness,
    identity,
    lease,
    nat,
    neighbor,
    node,
    overlay,
    packets,
    pod,
    policy,
    port,
    preflight,
    probe,
    route,
    tunnel,
    underlay,
)
from .entry import Entry

_SECTIONS = (
    agent, bridge, change, cluster, control_plane, filter, fitness, identity, lease, nat, neighbor, node, overlay,
    packets, pod, policy, port, preflight, probe, route, tunnel, underlay
)  # fmt: skip
ENTRIES: dict[Code, Entry] = {code: entry for section in _SECTIONS for code, entry in section.ENTRIES.items()}
