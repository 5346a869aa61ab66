# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses that no pod, Service or node can have."""

from __future__ import annotations

from ..ipam.ip import parse_address
from ..ipam.prefix import parse_prefix

#: Blocks of which no address can be a pod's, a Service's or a node's (RFC 6890, RFC 5771, RFC 4291), by their names.
SPECIAL = [
    (name, parse_prefix(block))
    for name, blocks in {
        "unspecified": ("0.0.0.0/8", "::/128"),
        "loopback": ("127.0.0.0/8", "::1/128"),
        "link-local": ("169.254.0.0/16", "fe80::/10"),
        "multicast": ("224.0.0.0/4", "ff00::/8"),
        "reserved": ("240.0.0.0/4",),
    }.items()
    for block in blocks
]


def special_address(text: str) -> str:
    """What kind of address ``text`` is where it cannot be a node's (loopback, link-local …), "" where it can."""
    version, number = parse_address(text)
    return next((name for name, block in SPECIAL if block.holds(version, number)), "")
