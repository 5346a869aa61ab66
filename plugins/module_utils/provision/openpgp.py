# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which public keys a file holds, by RFC 9580: their fingerprints, and when they expire.

Signatures are not verified here: what a key binds to itself is for apt and rpm to check. A fingerprint is the key's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

_SIGNATURE, _PUBLIC_KEY = 2, 6  # section 5, packet types
_CREATED, _EXPIRES = 2, 9  # section 5.2.3.7: subpackets, seconds since 1970 and since the key's creation
_ARMOR = re.compile(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----[^\n]*\n(?:[^\n:]+: [^\n]*\n)*\s*\n(.*?)-----END", re.DOTALL)


class Key(NamedTuple):
    """A primary key: its fingerprint in hexadecimal, upper case, and when it expires (seconds since 1970, 0: never)."""

    fingerprint: str
    expires: int


def keys(data: bytes) -> list[Key]:
    """The primary keys in a file, with armor or without. Raises ValueError where it holds none, or is damaged."""
    blocks = [_unarmored(block) for block in _ARMOR.findall(data.replace(b"\r", b""))] or [data]
    found: list[Key] = []
    try:
        for block in blocks:
            found += _primary_keys(block)
    except (IndexError, binascii.Error):
        raise ValueError("is damaged") from None
    if not found:
        raise ValueError("holds no OpenPGP public key")
    return found


def dearmored(data: bytes) -> bytes:
    """The keys of a file without armor. Raises ValueError where it holds none."""
    keys(data)
    return b"".join(_unarmored(block) for block in _ARMOR.findall(data.replace(b"\r", b""))) or data


def armored(data: bytes) -> str:
    """The file's text, with armor where it came without: apt goes by the file's name, which ends in .asc."""
    if _ARMOR.search(data.replace(b"\r", b"")):
        return data.decode("utf-8", "replace")
    text = base64.b64encode(data).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{lines}\n-----END PGP PUBLIC KEY BLOCK-----\n"


def _unarmored(block: bytes) -> bytes:
    """Without the checksum, a last line that begins with "=" (section 6.1)."""
    return base64.b64decode(b"".join(line for line in block.split(b"\n") if not line.startswith(b"=")), validate=True)


def _primary_keys(data: bytes) -> Iterator[Key]:
    body, created, latest, lifetime = b"", 0, -1, 0
    for kind, packet in _packets(data):
        if kind == _PUBLIC_KEY:
            if body:
                yield Key(_fingerprint(body), created + lifetime if lifetime else 0)
            body, created, latest, lifetime = packet, int.from_bytes(packet[1:5], "big"), -1, 0
        elif kind == _SIGNATURE and body and packet[0] == 4 and packet[1] in (0x10, 0x11, 0x12, 0x13, 0x1F):
            values = _hashed(packet)
            if values.get(_CREATED, 0) > latest:  # the latest one of the key counts
                latest, lifetime = values.get(_CREATED, 0), values.get(_EXPIRES, 0)
    if body:
        yield Key(_fingerprint(body), created + lifetime if lifetime else 0)


def _fingerprint(body: bytes) -> str:
    """Section 5.5.4. Raises ValueError for another version's."""
    if body[0] == 4:
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()
    if body[0] == 6:
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise ValueError(f"holds a key of version {body[0]}, which is not supported")


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each packet (section 4.2). Raises ValueError, IndexError."""
    at = 0
    while at < len(data):
        first = data[at]
        if not first & 0x80:
            raise ValueError("holds no OpenPGP public key")
        if first & 0x40:
            kind, (length, at) = first & 0x3F, _length(data, at + 1)
        else:
            kind, size = first >> 2 & 0xF, (1, 2, 4)[first & 3]
            length, at = int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size
        if at + length > len(data):
            raise IndexError
        yield kind, data[at : at + length]
        at += length


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A length (sections 4.2.1 and 5.2.3.7), and where what follows begins. Keys and signatures have no partial one."""
    first = data[at]
    if first < 192:
        return first, at + 1
    if first < 255:
        return (first - 192 << 8) + data[at + 1] + 192, at + 2
    return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5


def _hashed(packet: bytes) -> dict[int, int]:
    """The numbers in a signature's hashed subpackets, by their type (section 5.2.3)."""
    area, at, found = packet[6 : 6 + int.from_bytes(packet[4:6], "big")], 0, {}
    while at < len(area):
        length, at = _length(area, at)
        if area[at] & 0x7F in (_CREATED, _EXPIRES):
            found[area[at] & 0x7F] = int.from_bytes(area[at + 1 : at + length], "big")
        at += length
    return found
