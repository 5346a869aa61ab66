# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deterministic MAC addresses: they survive reboots, and every peer can compute them."""

from __future__ import annotations

import re

try:  # what hashlib takes where there is no OpenSSL; hashlib itself would cost a node a megabyte
    from _sha256 import sha256  # type: ignore[import-not-found]
except ImportError:
    try:
        from _sha2 import sha256  # type: ignore[import-not-found]  # from Python 3.12 on
    except ImportError:
        from hashlib import sha256

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def mac_of(node: str, role: str) -> str:
    """The MAC address of ``node``'s device with ``role`` ("vtep", "bridge").

    Locally administered and unicast (IEEE 802, clause 8.2: second-lowest bit of the first octet set, lowest clear), the
    other 46 bits from a SHA-256 of role and name: two of 5,000 nodes share one with a probability below 1 in 5 million.
    """
    octets = bytearray(sha256(f"podnet/{role}/{node}".encode()).digest()[:6])
    octets[0] = octets[0] & 0xFC | 0x02
    return octets.hex(":")


def parse_mac(value: object) -> str:
    """``value`` in lower case. Raises ValueError unless it is the MAC address of one interface."""
    if not isinstance(value, str) or not _MAC.fullmatch(value.lower()):
        raise ValueError(f'{value!r} is not a MAC address: give one such as "02:1a:2b:3c:4d:5e"')
    mac = value.lower()
    if int(mac[:2], 16) & 1:
        raise ValueError(
            f"{value!r} is a group address: a VTEP needs a unicast one (lowest bit of the first octet clear)"
        )
    if mac == "00:00:00:00:00:00":
        raise ValueError(f"{value!r} is not an interface's address")
    return mac
