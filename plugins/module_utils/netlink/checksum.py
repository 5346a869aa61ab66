# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checksums that identify what they were made from."""

from __future__ import annotations

try:
    from _blake2 import blake2b  # built in; importing hashlib takes longer than all hashing here
except ImportError:
    from hashlib import blake2b


def checksum(data: bytes, size: int) -> bytes:
    """``size`` bytes (up to 64) that other data do not have."""
    return blake2b(data, digest_size=size).digest()
