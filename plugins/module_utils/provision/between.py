# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only several nodes together can show: clocks and MTUs that differ, and nodes that did not answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from ..findings.codes import Code
from ..findings.finding import Finding
from .inventory import Node

#: Seconds that clocks may differ. The nodes are not asked at one time: what connecting took is in the difference.
CLOCK = 30


def check(found: Mapping[str, Mapping[str, Any]], mtu_is_set: bool) -> list[Finding]:
    """``found`` has each node's facts by its name; ``mtu_is_set`` is whether the pods' MTU is given, and so does not
    follow from the underlays'."""
    return [*_clocks(found), *([] if mtu_is_set else _mtus(found))]


def unreachable(nodes: Sequence[Node], answered: Collection[str]) -> list[Node]:
    """Those of ``nodes`` whose host is not among those that ``answered``."""
    return [node for node in nodes if node.host not in answered]


def without_silence_of(absent: Sequence[Node], findings: Sequence[Finding]) -> list[Finding]:
    """``findings`` without those that only say of an ``absent`` node that it does not answer ping."""
    addresses = {node.address for node in absent}
    return [each for each in findings if each.code != Code.PEER_SILENT or each.subject not in addresses]


def _clocks(found: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    offsets = {node: facts["clock_offset"] for node, facts in found.items() if facts.get("clock_offset") is not None}
    if len(offsets) < 2:
        return
    middle = median(offsets.values())
    for node, offset in offsets.items():
        if abs(offset - middle) > CLOCK:
            yield Finding(Code.CLOCK_DIFFERS, node, node, {"seconds": round(abs(offset - middle))})


def _mtus(found: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    mtus = {
        node: facts["interfaces"][facts["interface"]]["mtu"] for node, facts in found.items() if facts.get("interface")
    }
    if not mtus:
        return
    other, least = min(mtus.items(), key=lambda each: each[1])
    for node, mtu in mtus.items():
        if mtu > least:
            values = {"interface": found[node]["interface"], "mtu": mtu, "least": least, "other": other}
            yield Finding(Code.MTU_DIFFERS, node, node, values)
