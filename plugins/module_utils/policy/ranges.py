# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Address blocks and ports as disjoint ranges of numbers."""

from __future__ import annotations

from collections.abc import Iterable

from .model import Block

#: First and last, both included.
Range = tuple[int, int]


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same numbers in as few ranges as can be, in order."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return found


def of_blocks(blocks: Iterable[Block], family: int) -> list[Range]:
    """The addresses of one family in any of the blocks, each without its own exceptions."""
    found: list[Range] = []
    for cidr, excepts in blocks:
        if cidr.version != family:
            continue
        start = cidr.first
        for first, last in merged((each.first, each.last) for each in excepts):
            if first > start:
                found.append((start, first - 1))
            start = last + 1
        if start <= cidr.last:
            found.append((start, cidr.last))
    return merged(found)
