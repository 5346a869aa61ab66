# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""X25519 (RFC 7748, section 5), for WireGuard's keys: Python's standard library has none.

Python's integers take time that depends on their values. Compute with it only where timing cannot be observed: here a
node derives its public key from its private one. The kernel encrypts the traffic.
"""

from __future__ import annotations

_P = 2**255 - 19
_A24 = 121665
_BASE = (9).to_bytes(32, "little")


def clamp(key: bytes) -> bytes:
    """``key`` with the bits that every scalar has set and cleared (decodeScalar25519)."""
    return bytes([key[0] & 248, *key[1:31], key[31] & 127 | 64])


def x25519(scalar: bytes, point: bytes = _BASE) -> bytes:
    """The product of a scalar and a point's u-coordinate, 32 bytes each; without ``point`` the scalar's public key."""
    if len(scalar) != 32 or len(point) != 32:
        raise ValueError("X25519 takes 32 bytes")
    k = int.from_bytes(clamp(scalar), "little")
    x1 = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3 = 1, 0, x1, 1
    swap = 0
    for bit in range(254, -1, -1):
        this = k >> bit & 1
        if swap ^ this:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = this
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % _P, b * b % _P, d * a % _P, c * b % _P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % _P, x1 * (da - cb) ** 2 % _P
        x2, z2 = aa * bb % _P, e * (aa + _A24 * e) % _P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, _P - 2, _P) % _P).to_bytes(32, "little")
